"""Crossover, comparison, attribution and review, measured on a kernel of two halves."""

from __future__ import annotations

import json
from pathlib import Path


def trailer(git, at: Path, rev: str, key: str) -> str:
    return git(at, "log", "-1", f"--format=%(trailers:key={key},valueonly,separator=%x20)", rev)


def test_a_crossover_passes_both_gains_on(crossed: Path, git, avogit) -> None:
    parents = git(crossed, "log", "-1", "--format=%P", "crossed").split()
    assert parents == [git(crossed, "rev-parse", f"{name}^{{}}") for name in ("small", "large")]
    ancestor = git(crossed, "rev-parse", "seed^{}")
    assert trailer(git, crossed, "crossed", "Avo-Ancestor") == ancestor
    assert float(trailer(git, crossed, "crossed", "Avo-Gain-Both").split()[0]) > 2
    record = json.loads(avogit(crossed, "show", "crossed", "--json").stdout)["record"]
    gains = {
        name: [gain["value"] for gain in of]
        for name, of in record["payload"]["crossed"]["gains"].items()
    }
    # What one parent gained on a workload the other did not; the union has both.
    first, second, both = gains["small"]
    assert min(first, both) > 1.5 * second, gains
    first, second, both = gains["large"]
    assert min(second, both) > 1.5 * first, gains
    assert "what each parent gained" in git(crossed, "log", "-1", "--format=%b", "crossed")
    assert avogit(crossed, "fsck").stdout.endswith("no problem found\n")
    assert f"(with {parents[1][:10]})" in avogit(crossed, "tree").stdout


def test_crossing_what_is_one_line_already_is_refused(crossed: Path, avogit) -> None:
    done = avogit(crossed, "cross", "crossed", "small")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "in the other's history" in done.stderr
