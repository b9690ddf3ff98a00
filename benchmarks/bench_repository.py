"""What a big lineage costs the user's own git, beside the same repository without avogit.

Run `python benchmarks/bench_repository.py [CANDIDATES]` (default 100000). The user's branch has
200 commits and 100 files in both. The lineage is synthetic; every time is the least of some
runs of plain git, taken in turns (other work only adds), before `avogit gc` and after it.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_store import build

from avogit import store

RUNS = 15
COMMITS, FILES = 200, 100
COMMANDS = {
    "git log -50": ["log", "-50"],
    "git log --oneline --graph main": ["log", "--oneline", "--graph", "main"],
    "git status": ["status"],
    "git branch --show-current": ["branch", "--show-current"],
    "git commit (an empty one)": ["commit", "-q", "--allow-empty", "-m", "one more"],
    "git fetch, nothing new": ["fetch"],
    "git push --dry-run": ["push", "--dry-run"],
}

Row = dict[str, list[float]]


def git(at: Path, *arguments: str) -> str:
    """Plain git."""
    done = subprocess.run(["git", *arguments], cwd=at, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def grow_branch(at: Path) -> None:
    """The user's own history."""
    git(at, "config", "user.name", "U")
    git(at, "config", "user.email", "u@example.org")
    for n in range(FILES):
        (at / f"file{n}.txt").write_text(f"{n}\n" * 50)
    for n in range(COMMITS):
        (at / f"file{n % FILES}.txt").write_text(f"{n}\n" * 60)
        git(at, "add", ".")
        git(at, "commit", "-q", "-m", f"commit {n}")


def with_remote(at: Path, *refspecs: str) -> Path:
    """A bare remote beside it that has the branch, and these refs."""
    remote = at.with_name(f"{at.name}.git")
    git(at.parent, "init", "-q", "--bare", "-b", "main", str(remote))
    git(at, "remote", "add", "origin", remote.as_uri())
    git(at, "push", "-q", "-u", "origin", "main", *refspecs)
    return remote


def seconds(work: Callable[[], object]) -> float:
    """Wall time."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(places: dict[str, Path]) -> dict[str, Row]:
    """Every command in every place, in turns."""
    found: dict[str, Row] = {name: {place: [] for place in places} for name in COMMANDS}
    for _ in range(RUNS):
        for name, arguments in COMMANDS.items():
            for place, at in places.items():
                found[name][place].append(seconds(functools.partial(git, at, *arguments)))
    return found


def one_commit_fetched(places: dict[str, Path], remotes: dict[str, Path]) -> Row:
    """`git fetch` of one new commit on the branch."""
    found: Row = {place: [] for place in places}
    for _ in range(RUNS):
        for place, at in places.items():
            tree, tip = (git(remotes[place], "rev-parse", f"main{end}") for end in ("^{tree}", ""))
            identity = ("-c", "user.name=U", "-c", "user.email=u@example.org")
            new = git(remotes[place], *identity, "commit-tree", tree, "-p", tip, "-m", "new")
            git(remotes[place], "update-ref", "refs/heads/main", new)
            found[place].append(seconds(functools.partial(git, at, "fetch")))
    return found


def clones(folder: Path, remotes: dict[str, Path], *options: str) -> Row:
    """`git clone` of the remote."""
    found: Row = {place: [] for place in remotes}
    for _ in range(3):
        for place, remote in remotes.items():
            arguments = ("clone", "-q", *options, remote.as_uri(), "cloned")
            found[place].append(seconds(functools.partial(git, folder, *arguments)))
            shutil.rmtree(folder / "cloned")
    return found


def show(title: str, rows: dict[str, Row]) -> None:
    """Milliseconds as a Markdown table."""
    places = list(next(iter(rows.values())))
    print(f"\n{title}\n\n| command | {' | '.join(places)} |\n|---|{'---:|' * len(places)}")
    for name, row in rows.items():
        cells = (f"{min(row[place]) * 1e3:.0f} ms" for place in places)
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


def main(count: int) -> None:
    """Build both, compare, pack, compare again; then sync, bundle and import."""
    with tempfile.TemporaryDirectory(prefix="avogit-bench-") as name:
        folder = Path(name)
        repo = build(folder / "with-avogit", count)
        grow_branch(repo.cwd)
        git(folder, "clone", "-q", "--single-branch", repo.cwd.as_uri(), "without")
        git(folder / "without", "remote", "remove", "origin")
        for key, value in (("user.name", "U"), ("user.email", "u@example.org")):
            git(folder / "without", "config", key, value)
        places = {"without avogit": folder / "without", f"beside {count:,}": repo.cwd}
        remotes = {place: with_remote(at) for place, at in places.items()}
        took = {"first sync, which publishes all": seconds(lambda: store.exchange(repo, "origin"))}
        took["a sync with nothing new"] = seconds(lambda: store.exchange(repo, "origin"))
        show("As it was written", compare(places))
        took["`avogit gc`"] = seconds(lambda: print(*store.pack(repo), sep="\n"))
        after = compare(places)
        after["git fetch, one new commit"] = one_commit_fetched(places, remotes)
        after["git clone"] = clones(folder, remotes)
        after["git clone --single-branch"] = clones(folder, remotes, "--single-branch")
        show("After `avogit gc`", after)
        file = folder / "all.bundle"
        took["bundle"] = seconds(lambda: store.write_bundle(repo, file, None))
        shutil.copytree(folder / "without", folder / "other")
        other = store.open_repository(folder / "other")
        took["import"] = seconds(lambda: store.read_bundle(other, file, "all"))
        print(f"\nbundle: {file.stat().st_size / 1e6:.0f} MB")
        for what, elapsed in took.items():
            print(f"{what}: {elapsed:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
