"""Every command of docs/lineage.md, run in a repository that avogit has evolved."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from avogit import store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lineage.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^### (\d+)\. (.+\?)$", re.MULTILINE)


def blocks() -> tuple[str, dict[int, str]]:
    """The block that names things, and every question's block."""
    text = PAGE.read_text(encoding="utf-8").partition("## With avogit")[0]
    starts = list(HEADING.finditer(text))
    names = BLOCK.search(text, 0, starts[0].start())
    assert names is not None
    found = {}
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        block = BLOCK.search(text, start.end(), following.start() if following else len(text))
        assert block is not None, start[2]
        found[int(start[1])] = block[1]
    return names[1], found


NAMES, QUESTIONS = blocks()


@dataclass(frozen=True)
class Evolved:
    """A repository, and what avogit itself reads in it."""

    at: Path
    candidates: list[dict[str, Any]]
    best: dict[str, Any]

    def of(self, **wanted: str) -> list[str]:
        """Abbreviated ids of the candidates with these values."""
        pairs = wanted.items()
        return [c["oid"][:7] for c in self.candidates if all(c[k] == v for k, v in pairs)]


@pytest.fixture(scope="module")
def lived_in(
    evolved_once: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Callable[..., Any]], Evolved]:
    """A copy of an evolved population with a broken try by hand on top; made once."""
    root = tmp_path_factory.mktemp("lineage") / "a project"
    shutil.copytree(evolved_once, root, symlinks=True)
    made: list[Evolved] = []

    def make(avogit: Callable[..., Any]) -> Evolved:
        if not made:
            made.append(_lived_in(root, avogit))
        return made[0]

    return make


def _lived_in(root: Path, avogit: Callable[..., Any]) -> Evolved:
    _submit(root, avogit, "write no C++", lambda _: "no C++ at all\n")
    for number in range(4):  # where the machine was too busy to see `tune`'s gain
        if "seed" not in json.loads(avogit(root, "best", "--json").stdout)["incumbent"]["operator"]:
            break
        one_pass = functools.partial(_with_one_pass, number)
        _submit(root, avogit, "one pass", one_pass)
    candidates = json.loads(avogit(root, "log", "--json").stdout)
    found = json.loads(avogit(root, "best", "--json").stdout)
    best = found["incumbent"]
    if not found["champions"]:  # too busy to confirm one, either
        repo, record = store.open_repository(root), best["trailers"]["Avo-Evaluation"]
        store.tag_champion(repo, best["population"], best["oid"], "Champion: by hand", record)
    return Evolved(root, candidates, best)


def _with_one_pass(number: int, text: str) -> str:
    return f"// try {number}\n{text.replace('PASSES = 8', 'PASSES = 1')}"


def _submit(
    root: Path, avogit: Callable[..., Any], subject: str, edit: Callable[[str], str]
) -> None:
    desk = root.parent / "desk"
    shutil.rmtree(desk, ignore_errors=True)
    assert avogit(root, "checkout", "best", str(desk)).returncode == 0
    kernel = desk / "kernel.cpp"
    kernel.write_text(edit(kernel.read_text()))
    said = ("-m", subject, "--why", "To see what comes of it.", "--expect", "4")
    assert avogit(root, "submit", str(desk), *said).returncode == 0


@pytest.fixture
def there(lived_in: Callable[..., Evolved], avogit: Callable[..., Any]) -> Evolved:
    return lived_in(avogit)


def ask(at: Path, number: int) -> str:
    """What the page's command for a question prints."""
    script = f"set -eu\n{NAMES}\n{QUESTIONS[number]}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=at, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), script
    assert done.stdout.strip(), f"no answer to question {number}"
    return done.stdout


def test_there_are_twenty_questions() -> None:
    assert sorted(QUESTIONS) == list(range(1, 21))
    assert all("git " in block for block in QUESTIONS.values())


def test_populations_and_lines(there: Evolved) -> None:
    assert ask(there.at, 1).split() == [there.best["population"]]
    score, oid, head = ask(there.at, 2).splitlines()[0].split()
    assert float(score) == pytest.approx(there.best["score"]["value"], abs=1e-4)
    assert there.best["oid"].startswith(oid)
    assert head.startswith(f"avo/{there.best['population']}/g")


def path_to_best(there: Evolved) -> list[str]:
    known = {c["oid"]: c for c in there.candidates}
    path = [there.best["oid"]]
    while known[path[-1]]["parents"][0] in known:
        path.append(known[path[-1]]["parents"][0])
    return [oid[:7] for oid in path]


def test_the_way_to_the_best(there: Evolved) -> None:
    path = path_to_best(there)
    assert len(path) > 1
    graph = ask(there.at, 3)
    assert all(oid in graph for oid in path)
    steps = ask(there.at, 4).splitlines()
    assert [line[:7] for line in steps] == path[::-1]
    assert all(re.search(r" \d+\.\d+ \d+\.\d+ \d+\.\d+ ", line) for line in steps[1:])
    scores = ask(there.at, 10).splitlines()
    assert [line.split()[0] for line in scores] == path
    assert all(re.fullmatch(r"\S+ small=\S+ large=\S+", line) for line in scores)
    assert all(line.split()[1] == line.split()[2] for line in ask(there.at, 18).splitlines())


def test_the_code(there: Evolved) -> None:
    shown = ask(there.at, 5)
    assert "Avo-Score: " in shown
    assert "diff --git" in shown
    changed = ask(there.at, 6)
    assert "1 file changed" in changed
    assert re.search(r"^-.*PASSES = 8", changed, re.MULTILINE)
    blamed = ask(there.at, 7)
    assert any(line.startswith(there.best["oid"][:7]) for line in blamed.splitlines())
    entered = ask(there.at, 8)
    assert there.best["oid"][:7] in entered
    assert there.best["oid"][:7] in ask(there.at, 9)


def test_what_was_tried(there: Evolved) -> None:
    rejected = ask(there.at, 11)
    found = re.findall(r"^([0-9a-f]{7}) .*\n    \S", rejected, re.MULTILINE)
    assert sorted(found) == sorted(there.of(status="rejected"))
    broken = ask(there.at, 12).splitlines()
    assert any("COMPILE_ERROR: polynomial: write no C++" in line for line in broken)
    assert "write no C++, expected +4% -> rejected" in ask(there.at, 13)


def test_who_made_what(there: Evolved) -> None:
    counted = [tuple(line.split()) for line in ask(there.at, 14).splitlines()]
    made = Counter((c["operator"], c["status"]) for c in there.candidates)
    assert made["manual", "rejected"] > 0
    assert set(counted) == {(str(n), *who) for who, n in made.items()}


def test_what_the_refs_say(there: Evolved) -> None:
    pruned = [c for c in there.candidates if "pruned" in c]
    assert pruned
    archive = ask(there.at, 15)
    assert all(f"{c['oid']} " in archive for c in pruned)
    assert "Avo-Champion: " in ask(there.at, 16)
    assert ask(there.at, 17).split()[1] == "seed"


def test_the_record(there: Evolved) -> None:
    listing, _, document = ask(there.at, 19).partition("{")
    assert "raw.json" in listing
    record = json.loads("{" + document)
    stated = record["payload"]["evaluation"]["score"]["value"]
    assert stated == pytest.approx(there.best["score"]["value"], abs=1e-4)


def test_the_winner_is_merged(there: Evolved, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(there.at, copy, symlinks=True)
    assert there.best["oid"][:7] in ask(copy, 20)
