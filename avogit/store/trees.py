"""Trees: the files of a folder at a commit, and a tree with some of them replaced.

Owns reading and making trees without a working tree or an index, so the user's own are never
touched. Bytes go in and out as they are: no filter, no line-ending conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from avogit.errors import AvogitError
from avogit.store import git, objects, reader
from avogit.store.objects import GITLINK, REGULAR, SYMLINK, TREE, NewObjects, TreeEntry
from avogit.store.repository import Repository

MAX_FILE_BYTES = 4 << 20
_SPECIAL = (".gitattributes", ".gitmodules", ".gitignore", ".git")
_KINDS = {SYMLINK: "symlink", GITLINK: "gitlink", TREE: "folder"}


def folder_files(repo: Repository, tree_or_commit: str, folder: str) -> dict[str, bytes]:
    """Every regular file below a folder, by its path relative to it. Links are left out."""
    found = reader.read_object(repo, _spec(tree_or_commit, folder))
    if found is None or found[1] != "tree":
        return {}
    oids: dict[str, str] = {}
    below = {"": found}
    while below:  # a level of folders at a time
        folders: dict[str, str] = {}
        for prefix, item in below.items():
            for name, entry in objects.parse_tree(item[2], repo.object_format).items():
                if entry.mode == TREE:
                    folders[f"{prefix}{name}/"] = entry.oid
                elif entry.mode.startswith("100"):
                    oids[prefix + name] = entry.oid
        contents = reader.read_objects(repo, list(folders.values()))
        below = {path: item for path, item in zip(folders, contents, strict=True) if item}
    names = sorted(oids)
    contents = reader.read_objects(repo, [oids[name] for name in names])
    return {name: item[2] for name, item in zip(names, contents, strict=True) if item}


def file_at(repo: Repository, tree_or_commit: str, path: str) -> bytes | None:
    """One file's content; None where there is none."""
    found = reader.read_object(repo, _spec(tree_or_commit, path))
    return found[2] if found and found[1] == "blob" else None


def paths_named(repo: Repository, tree_or_commit: str, name: str) -> tuple[str, ...]:
    """The paths of all files of this name."""
    out = git.run(repo.cwd, "ls-tree", "-r", "-z", "--name-only", "--full-tree", tree_or_commit)
    paths = out.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return tuple(path for path in paths if path.rpartition("/")[2] == name)


def with_files(repo: Repository, tree: str, folder: str, files: Mapping[str, bytes]) -> str:
    """The tree with these files of a folder put in place; modes of old files are kept."""
    new = NewObjects(repo)
    oid = add_files(new, tree, folder, files)
    new.write()
    return oid


def add_files(new: NewObjects, tree: str, folder: str, files: Mapping[str, bytes]) -> str:
    """As `with_files`, but among new objects, to be written with others."""
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    paths = {f"{prefix}{name}": data for name, data in files.items()}
    for path in paths:
        _check_path(path)
    folders = sorted({"", *(parent for path in paths for parent in _parents(path))})
    trees = _read_folders(new.repo, tree, folders)
    for path, data in paths.items():
        above, _, name = path.rpartition("/")
        _put(trees[above], name, new.blob(data), path)
    for path in sorted(folders, key=_depth, reverse=True):
        oid = new.tree(trees[path])
        if path == "":
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
    found = reader.read_objects(repo, [_spec(tree, path) for path in folders])
    trees = {}
    for path, item in zip(folders, found, strict=True):
        if item is not None and item[1] != "tree":
            raise AvogitError(f"{path or tree} is a {item[1]} there, not a folder")
        if item is None and path == "":
            raise AvogitError(f"{tree} names no tree here")
        trees[path] = objects.parse_tree(item[2], repo.object_format) if item else {}
    return trees


def _spec(tree_or_commit: str, folder: str) -> str:
    """The name by which git knows a folder's tree."""
    folder = folder.strip("/")
    if "\n" in folder:
        raise AvogitError(f"{folder!r}: a line break in a path is not supported")
    return f"{tree_or_commit}:{folder}" if folder else f"{tree_or_commit}^{{tree}}"


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
