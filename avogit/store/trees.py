"""Trees: the files of a folder at a commit, and a tree with some of them replaced.

Owns reading and making trees without a working tree or an index, so the user's own are never
touched. Bytes go in and out as they are: no filter, no line-ending conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from avogit.errors import AvogitError
from avogit.store import git, objects
from avogit.store.objects import GITLINK, REGULAR, SYMLINK, TREE, NewObjects, TreeEntry
from avogit.store.repository import Repository

MAX_FILE_BYTES = 4 << 20
_SPECIAL = (".gitattributes", ".gitmodules", ".gitignore", ".git")
_KINDS = {SYMLINK: "symlink", GITLINK: "gitlink", TREE: "folder"}


def folder_files(repo: Repository, tree_or_commit: str, folder: str) -> dict[str, bytes]:
    """Every regular file below a folder, by its path relative to it. Links are left out."""
    folder = folder.strip("/")
    where = [f"{folder}/"] if folder else []
    out = git.run(
        repo.cwd, "--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", tree_or_commit,
        "--", *where,
    )  # fmt: skip
    oids = {}
    for entry in out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        meta, path = entry.split("\t", 1)
        mode, _kind, oid = meta.split(" ")
        if mode.startswith("100"):
            oids[path[len(folder) + 1 if folder else 0 :]] = oid
    contents = objects.read_objects(repo, list(oids.values()))
    return {name: found[1] for name, found in zip(oids, contents, strict=True) if found}


def with_files(repo: Repository, tree: str, folder: str, files: Mapping[str, bytes]) -> str:
    """The tree with these files of a folder put in place; modes of old files are kept."""
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    paths = {f"{prefix}{name}": data for name, data in files.items()}
    for path in paths:
        _check_path(path)
    folders = sorted({"", *(parent for path in paths for parent in _parents(path))})
    trees = _read_folders(repo, tree, folders)
    new = NewObjects(repo)
    for path, data in paths.items():
        above, _, name = path.rpartition("/")
        _put(trees[above], name, new.blob(data), path)
    for path in sorted(folders, key=_depth, reverse=True):
        oid = new.tree(trees[path])
        if path == "":
            new.write()
            return oid
        above, _, name = path.rpartition("/")
        trees[above][name] = TreeEntry(TREE, oid)
    raise AssertionError("the root is always among the folders")


def tree_violations(
    repo: Repository,
    base_tree: str,
    tree: str,
    task_path: str,
    is_editable: Callable[[str], bool],
) -> tuple[str, ...]:
    """What a tree changed beyond the editable regular files of its task, each one named."""
    out = git.run(
        repo.cwd, "diff-tree", "-r", "-z", "--no-renames", "--full-index", base_tree, tree
    )
    words = out.decode("utf-8", "surrogateescape").split("\0")[:-1]
    found, blobs = [], {}
    for meta, path in zip(words[::2], words[1::2], strict=True):
        old_mode, new_mode, _old, oid, _letter = meta.lstrip(":").split(" ")
        problem = _violation(path, old_mode, new_mode, task_path.strip("/"), is_editable)
        if problem:
            found.append(f"{problem}: {path}")
        elif new_mode.startswith("100"):
            blobs[path] = oid
    return tuple(found + _huge(repo, blobs))


def _violation(
    path: str, old_mode: str, new_mode: str, task_path: str, is_editable: Callable[[str], bool]
) -> str:
    if new_mode in _KINDS:
        return _KINDS[new_mode]
    inside = path[len(task_path) + 1 :] if task_path else path
    if task_path and not path.startswith(f"{task_path}/"):
        return "outside-task"
    if any(part in _SPECIAL for part in path.split("/")):
        return "git-file"
    if not is_editable(inside):
        return "protected-file"
    if new_mode not in ("000000", REGULAR) and new_mode != old_mode:
        return "mode"
    return ""


def _huge(repo: Repository, blobs: Mapping[str, str]) -> list[str]:
    if not blobs:
        return []
    asked = "".join(f"{oid}\n" for oid in blobs.values()).encode()
    out = git.run(repo.cwd, "cat-file", "--batch-check=%(objectsize)", stdin=asked)
    sizes = zip(blobs, out.decode().splitlines(), strict=True)
    return [f"huge-file: {path}" for path, size in sizes if int(size) > MAX_FILE_BYTES]


def _read_folders(
    repo: Repository, tree: str, folders: list[str]
) -> dict[str, dict[str, TreeEntry]]:
    found = objects.read_objects(repo, [f"{tree}:{path}" if path else tree for path in folders])
    trees = {}
    for path, item in zip(folders, found, strict=True):
        if item is not None and item[0] != "tree":
            raise AvogitError(f"{path or tree} is a {item[0]} there, not a folder")
        if item is None and path == "":
            raise AvogitError(f"{tree} names no tree here")
        trees[path] = objects.parse_tree(item[1], repo.object_format) if item else {}
    return trees


def _put(entries: dict[str, TreeEntry], name: str, oid: str, path: str) -> None:
    old = entries.get(name)
    if old is not None and not old.mode.startswith("100"):
        raise AvogitError(f"{path} is a {_KINDS.get(old.mode, old.mode)} there: not replaced")
    entries[name] = TreeEntry(old.mode if old else REGULAR, oid)


def _check_path(path: str) -> None:
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise AvogitError(f"{path!r} is no path that git can hold")
    if "\0" in path or "\n" in path:
        raise AvogitError(f"{path!r}: a line break in a path is not supported")


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _depth(path: str) -> int:
    return path.count("/") + 1 if path else 0
