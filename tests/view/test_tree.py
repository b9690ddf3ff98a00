"""`avogit tree`: shape, columns, filters, and what a terminal gets."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from store_helpers import FOLDER, POPULATION, make_entry, passed
from view_helpers import Family

from avogit import store
from avogit.commands.tree import Wanted, tree
from avogit.genealogy import guides, nodes
from avogit.records import Candidate, Lineage, Status, Verdict
from avogit.report.terminal import clipped


def shown(family: Family, wanted: Wanted) -> list[str]:
    """The members that a tree shows, from top to bottom."""
    names = {candidate.oid: name for name, candidate in family.members.items()}
    return [names[node.candidate.oid] for node in tree(family.at, None, wanted).nodes]


def test_a_line_stays_straight_and_what_ended_branches_off(family: Family, avogit) -> None:
    done = avogit(family.at, "tree")
    lines = done.stdout.splitlines()
    assert "7 candidates" in lines[0]
    assert "1.400x" in lines[0]
    drawn = [re.sub(r"^.{10} (\S+) +(\S+ .*?)?(?=[●×├│└])", r"\1 ", line) for line in lines[1:]]
    assert drawn == [
        "seed ● seed",
        "pruned ├─● try other",
        "accepted ● try first",
        "rejected ├─× try rejected",
        "accepted ● try second",
        "rejected ├─× try broken",
        "live ● try best",
    ]


def test_numbers_stand_in_columns(family: Family, avogit) -> None:
    text = avogit(family.at, "tree").stdout
    assert re.search(rf"^{family['best'].oid[:10]} live +1\.400x +\+1\.3%  ● try best$", text, re.M)
    assert "compile!" in next(line for line in text.splitlines() if "try broken" in line)


@pytest.mark.parametrize(
    ("wanted", "members"),
    [
        (Wanted(), "seed other first rejected second broken best"),
        (Wanted(statuses=("rejected",)), "rejected broken"),
        (Wanted(statuses=("live", "pruned")), "other best"),
        (Wanted(line="best"), "seed first second best"),
        (Wanted(min_score=1.15), "other best"),
        (Wanted(operator="tune", min_score=1.4), "best"),
        (Wanted(operator="agent"), ""),
        (Wanted(since="2038-01-01"), ""),
        (Wanted(since="2 days ago", line="seed"), "seed"),
    ],
)
def test_filters(family: Family, wanted: Wanted, members: str) -> None:
    assert shown(family, wanted) == members.split()


def test_every_filter_is_an_option(family: Family, avogit) -> None:
    options = "--status accepted --line best --operator tune --min-score 1.1 --since 2001-01-01"
    done = avogit(family.at, "tree", *options.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"● (.*)$", done.stdout, re.MULTILINE) == ["try second", "try best"]
    nothing = avogit(family.at, "tree", "--operator", "agent").stdout
    assert "0 of 7 candidates" in nothing
    assert "no candidate is like that" in nothing


def test_the_limit_keeps_the_newest(family: Family, avogit) -> None:
    newest = [c["oid"] for c in json.loads(avogit(family.at, "log", "--json").stdout)][-3:]
    drawn = json.loads(avogit(family.at, "tree", "-n", "3", "--json").stdout)["nodes"]
    assert sorted(node["candidate"]["oid"] for node in drawn) == sorted(newest)


def test_what_is_left_hangs_under_its_nearest_shown_ancestor(family: Family, avogit) -> None:
    done = avogit(family.at, "tree", "--min-score", "1.08", "--json")
    drawn = json.loads(done.stdout)["nodes"]
    assert [node["under"] for node in drawn] == ["", "", family["second"].oid]
    assert [node["candidate"]["oid"] for node in drawn] == [
        family[name].oid for name in ("other", "second", "best")
    ]


def test_a_renamed_task_folder_changes_no_name(new_family: Callable[[], Family], avogit) -> None:
    family = new_family()
    family.git("mv", FOLDER, "kernels/renamed")
    family.git("commit", "-q", "-m", "Another name")
    base = family.git("rev-parse", "HEAD")
    repo = store.open_repository(family.at)
    tree = store.tree_of(repo, base)
    with store.writer(repo, POPULATION) as writer:
        entry = make_entry(tree, [base], Status.SEED, passed(tree, 0.5, None), "seed", 0)
        again = writer.record(replace(entry, body="The same kernel, elsewhere."))
        new = store.with_files(repo, tree, "kernels/renamed", {"kernel.cpp": b"// after\n"})
        writer.record(make_entry(new, [again.oid], subject="try: after", generation=1))
    lines = avogit(family.at, "tree").stdout.splitlines()
    names = [line.rpartition("● ")[2] for line in lines]
    assert names[names.index("try: after") - 1] == "seed"
    assert names.count("seed") == 2


def test_a_pipe_gets_no_colour_and_whole_lines(family: Family, avogit) -> None:
    text = avogit(family.at, "tree", env={"COLUMNS": "30"}).stdout
    assert "\033" not in text
    assert max(map(len, text.splitlines())) > 40


@pytest.fixture
def on_a_terminal(avogit_path: str) -> Callable[..., str]:
    """What `avogit tree` writes to a terminal of 60 columns, whatever pages it."""

    def run(directory: Path, *options: str, **extra: str) -> str:
        ours, theirs = pty.openpty()
        unset = ("PAGER", "GIT_PAGER", "NO_COLOR")
        environment = {k: v for k, v in os.environ.items() if k not in unset}
        environment |= {"COLUMNS": "60", "TERM": "xterm", **extra}
        command = [avogit_path, "tree", *options]
        with subprocess.Popen(
            command, cwd=directory, stdout=theirs, stdin=theirs, env=environment
        ) as process:
            os.close(theirs)
            out = b""
            while chunk := _read(ours):
                out += chunk
        os.close(ours)
        assert process.returncode == 0
        return out.decode().replace("\r\n", "\n")

    return run


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other side is closed
        return b""


def test_a_terminal_gets_colour_its_width_and_no_more(
    family: Family, on_a_terminal: Callable[..., str]
) -> None:
    text = on_a_terminal(family.at, "--no-pager")
    assert "\033[32;1m" in text
    bare = re.sub(r"\033\[[0-9;]*m", "", text)
    assert max(map(len, bare.splitlines()[1:])) <= 60
    assert "\033" not in on_a_terminal(family.at, "--no-pager", NO_COLOR="1")


def test_git_rules_choose_the_pager(
    new_family: Callable[[], Family], on_a_terminal: Callable[..., str]
) -> None:
    family = new_family()
    mark = "sed 's/^/{}> /'"
    environment = {"NO_COLOR": "1", "PAGER": mark.format("environment")}
    assert on_a_terminal(family.at, **environment).startswith("environment> ")
    family.git("config", "core.pager", mark.format("config"))
    assert on_a_terminal(family.at, **environment).startswith("config> ")
    environment["GIT_PAGER"] = mark.format("git")
    assert on_a_terminal(family.at, **environment).startswith("git> ")
    assert on_a_terminal(family.at, "--no-pager", **environment).startswith(POPULATION)
    environment["GIT_PAGER"] = "no-such-pager-here 2>/dev/null"
    assert POPULATION in on_a_terminal(family.at, **environment)
    environment["GIT_PAGER"] = "head -1"
    assert len(on_a_terminal(family.at, **environment).splitlines()) == 1


def test_a_crossover_names_its_other_parent(new_family: Callable[[], Family], avogit) -> None:
    family = new_family()
    repo = store.open_repository(family.at)
    one, two = family["best"], family["other"]
    with store.writer(repo, POPULATION) as writer:
        entry = make_entry(one.tree, [one.oid, two.oid], subject="both", generation=9)
        writer.record(entry)
    assert f"● both (with {two.oid[:10]})" in avogit(family.at, "tree").stdout


def synthetic(parents: list[int]) -> Lineage:
    """Accepted candidates; number n + 1 is a child of `parents[n]`."""
    candidates = {}
    for number, parent in enumerate([-1, *parents]):
        above = (f"{parent:040x}",) if parent >= 0 else ()
        oid = f"{number:040x}"
        candidates[oid] = Candidate(
            oid, "t", above, number, "s", "p", Status.ACCEPTED, Verdict.PASSED, "t", None, {},
            "tune", number, {},
        )  # fmt: skip
    return Lineage("p", candidates, (), (), {})


def test_every_guide_leads_to_its_parent() -> None:
    """Walking up a guide from any node, as an eye would, ends at the node's parent."""
    lineage = synthetic([0, 0, 1, 1, 2, 3, 3, 0, 8, 8, 4])
    drawn = nodes(lineage, lineage.candidates)
    rows = list(guides(drawn))
    assert len(drawn) == 12
    for at, node in enumerate(drawn):
        if not node.under:
            continue
        column = node.depth if node.continues else node.depth - 1
        above = at - 1
        while drawn[above].depth > column:
            assert rows[above][column] in ("line", "fork")
            above -= 1
        assert drawn[above].candidate.oid == node.under


def test_a_long_line_is_no_deep_recursion() -> None:
    lineage = synthetic(list(range(3000)))
    drawn = nodes(lineage, lineage.candidates)
    assert len(drawn) == len(list(guides(drawn))) == 3001


def test_wide_and_combining_characters_have_their_columns() -> None:
    assert clipped("kernel", 6) == "kernel"
    assert clipped("kernel", 5) == "kern…"
    assert clipped("漢字漢字", 5) == "漢字…"
    assert clipped("e\u0301e\u0301", 2) == "e\u0301e\u0301"
