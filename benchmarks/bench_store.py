"""The store's costs: reading a synthetic lineage cold and cached, and recording one candidate.

Run `python benchmarks/bench_store.py [CANDIDATES ...]` (default 10000 100000). Every time to
read includes the start of a fresh interpreter; recording is timed beside raw git plumbing in
the same run, since machines differ more than programs do.
"""

from __future__ import annotations

import compileall
import functools
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "store")]

from store_helpers import POPULATION, Git, kernel_tree, make_entry, make_repository, passed  # noqa: E402

from avogit import store  # noqa: E402
from avogit.records import Status  # noqa: E402
from avogit.store import message, rows  # noqa: E402
from avogit.store.objects import AVOGIT, NewObjects, signed  # noqa: E402

LIVE = 64
COMMAND = ["-m", "avogit", "log", "--json"]
LINEAGE = [
    "-c",
    "from avogit import store; from pathlib import Path; "
    f"store.read_lineage(store.open_repository(Path('.')), '{POPULATION}')",
]
# Seconds that `avogit log --json` may take, cold and with its cache.
TARGETS = {10_000: (1.0, 1.0), 100_000: (8.0, 1.0)}


class Synthetic:
    """A population as fast-import commands; ids are computed, so that links can name them."""

    def __init__(self, repo: store.Repository, base: str) -> None:
        self.repo, self.rng = repo, random.Random(1)
        self.ids = NewObjects(repo)
        self.empty = self.ids.tree({})
        self.ids.write()
        self.trees = [kernel_tree(repo, base, f"// {n}\n" * 200) for n in range(64)]
        self.messages = [self._message(tree, base) for tree in self.trees]
        self.marks: dict[str, int] = {}
        self.base, self.time_s = base, 1_700_000_000

    def _message(self, tree: str, base: str) -> str:
        entry = make_entry(tree, [base], evaluation=passed(tree, self.rng.uniform(0.5, 1.5)))
        return message.compose(entry, POPULATION, "sha256:" + "0" * 64)

    def commit(self, tree: str, parents: list[str], text: str) -> tuple[str, bytes]:
        """A commit's id, and the command that makes it."""
        oid = self.ids.commit(tree, parents, text, self.time_s)
        self.ids = NewObjects(self.repo)
        self.marks[oid] = mark = len(self.marks) + 1
        data = text.encode()
        first, *others = (f":{self.marks[p]}" if p in self.marks else p for p in parents)
        lines = [
            "commit refs/bench/scratch", f"mark :{mark}", signed("author", AVOGIT, self.time_s),
            signed("committer", AVOGIT, self.time_s), f"data {len(data)}",
        ]  # fmt: skip
        after = [f"from {first}", *(f"merge {p}" for p in others), f"M 040000 {tree} ", ""]
        return oid, ("\n".join(lines) + "\n").encode() + data + ("\n".join(after) + "\n").encode()

    def stream(self, count: int) -> Iterator[bytes]:
        """All commands: candidates, a link each, prune commits, and the refs at the end."""
        live: list[str] = []
        link = archive = ""
        for n in range(count):
            self.time_s += 30
            parent = self.rng.choice(live) if live else self.base
            pick = self.rng.randrange(len(self.trees))
            text = self.messages[pick].replace("Avo-Generation: 1\n", f"Avo-Generation: {n}\n")
            oid, command = self.commit(self.trees[pick], [parent], text)
            yield command
            tried = [*([link] if link else []), oid]
            link, command = self.commit(self.empty, tried, f"{rows.LINK}{oid}\n")
            yield command
            live.append(oid)
            if len(live) > LIVE:
                gone = [live.pop(0) for _ in range(8)]
                lines = "".join(f"    {o} g0000-{o[:10]} 1.0 beyond {LIVE} lines\n" for o in gone)
                buried = [*([archive] if archive else []), *gone]
                text = f"{rows.ARCHIVE}8 lines\n\n{lines}"
                archive, command = self.commit(self.empty, buried, text)
                yield command
        ends = {f"refs/heads/avo/{POPULATION}/g0001-{oid[:10]}": oid for oid in live}
        ends[f"refs/avo/tried/{POPULATION}/bench-abcdef-0"] = link
        if archive:
            ends[f"refs/avo/archive/{POPULATION}/bench-abcdef"] = archive
        for ref, oid in ends.items():
            yield f"reset {ref}\nfrom :{self.marks[oid]}\n\n".encode()


def build(at: Path, count: int) -> store.Repository:
    """A repository with a lineage of `count` candidates."""
    git = make_repository(at)
    repo = store.open_repository(at)
    base = git("rev-parse", "HEAD")
    store.add_base(repo, POPULATION, base)
    made = Synthetic(repo, base)
    with subprocess.Popen(
        ["git", "fast-import", "--quiet", "--force"], cwd=at, stdin=subprocess.PIPE
    ) as importer:
        assert importer.stdin is not None
        importer.stdin.writelines(made.stream(count))
        importer.stdin.close()
    git("update-ref", "-d", "refs/bench/scratch")
    git("pack-refs", "--all")
    return repo


def seconds(program: list[str], at: Path) -> float:
    """Wall time of a fresh interpreter that runs this."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *program], cwd=at, check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return time.perf_counter() - started


def reading(repo: store.Repository, count: int) -> None:
    """Cold and cached times of `avogit log --json`, and of a `Lineage`."""
    for name, program in (("avogit log --json", COMMAND), ("Lineage", LINEAGE)):
        shutil.rmtree(repo.state_dir / "cache", ignore_errors=True)
        cold = seconds(program, repo.cwd)
        cached = min(seconds(program, repo.cwd) for _ in range(3))
        line = f"{count:>7} candidates  {name:<18} cold {cold:6.2f} s   cached {cached:5.2f} s"
        if program is COMMAND and count in TARGETS:
            held = cold < TARGETS[count][0] and cached < TARGETS[count][1]
            line += f"   (target {TARGETS[count][0]:.0f} and {TARGETS[count][1]:.0f} s: "
            line += "met)" if held else "MISSED)"
        print(line)


def recording(repo: store.Repository, count: int, turns: int = 40) -> None:
    """Median cost of one candidate, beside the same work by raw plumbing."""
    parent = store.read_lineage(repo, POPULATION).live()[0]
    ours, raw = [], []
    with store.writer(repo, POPULATION) as writer:
        for turn in range(turns):
            text = f"// candidate {turn}\n" * 100
            raw.append(timed(functools.partial(plumbing, repo.cwd, parent.oid, text)))
            ours.append(timed(functools.partial(one_candidate, repo, writer, parent.oid, text)))
    mine, plain = statistics.median(ours), statistics.median(raw)
    print(
        f"{count:>7} candidates  one more: tree, work in hand, record, lineage {mine:5.1f} ms;"
        f" raw plumbing of one commit {plain:5.1f} ms ({mine / plain:.2f}x)"
    )


def one_candidate(repo: store.Repository, writer: store.Writer, parent: str, text: str) -> None:
    """What a step does in the store."""
    tree = kernel_tree(repo, parent, text)
    writer.begin(store.WorkInHand(parent, tree, "bench", "tune"))
    writer.record(make_entry(tree, [parent], Status.ACCEPTED, generation=7))
    store.read_lineage(repo, POPULATION)


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def plumbing(at: Path, parent: str, text: str) -> None:
    """One commit by six git processes and a private index, as a shell script would."""
    git = Git(at)
    index = {"GIT_INDEX_FILE": str(at / ".git" / "bench.index")}
    os.environ.update(index)
    try:
        blob = git("hash-object", "-w", "--stdin", stdin=text + "// raw\n")
        git("read-tree", parent)
        git("update-index", "--cacheinfo", f"100644,{blob},kernels/attention-cpu/kernel.cpp")
        tree = git("write-tree")
        oid = git("commit-tree", "-p", parent, "-m", "raw", tree)
        git("update-ref", "refs/bench/raw", oid)
    finally:
        del os.environ["GIT_INDEX_FILE"]


def main() -> None:
    """Build, read and record for every size that was asked for."""
    compileall.compile_dir(ROOT / "avogit", quiet=1)  # as pip leaves a package that it installs
    for count in [int(word) for word in sys.argv[1:]] or [10_000, 100_000]:
        with tempfile.TemporaryDirectory(prefix="avogit-bench-") as folder:
            repo = build(Path(folder) / "repository", count)
            reading(repo, count)
            recording(repo, count)


if __name__ == "__main__":
    main()
