"""Every cheat is a kernel here, and says in its first lines what must become of it.

// expect: VERDICT reason              with all defences (reason `*`: any)
// without DEFENCE...: VERDICT reason  with these switched off, so that each is seen to work
// not faster than the honest kernel   a cheat that gains nothing; it passes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from avogit.bench.protocol import Defences
from avogit.evaluation import Evaluator, Source
from avogit.records import Evaluation

HERE = Path(__file__).resolve().parent
CHEATS = sorted(HERE.glob("h*.cpp"))
HONEST = sorted((HERE / "honest").glob("*.cpp"))
RULE = re.compile(r"^// (?:expect|without (?P<off>[a-z_ ]+)): (?P<want>.+)$", re.MULTILINE)
BUDGET_S = 1.0
LATE_BUDGET_S = 4.0  # where outputs are looked at late, on purpose


def rules() -> list[tuple[Path, str, str]]:
    """(kernel, defences off, verdict and reason) of every cheat."""
    return [
        (path, match["off"] or "", match["want"])
        for path in CHEATS
        for match in RULE.finditer(path.read_text())
    ]


def name(path: Path) -> str:
    return path.stem


def source(path: Path) -> Source:
    return Source("0" * 40, {"kernel.cpp": path.read_bytes()})


def judge(
    evaluator: Evaluator, path: Path, off: str = "", rivals: Mapping[str, Source] | None = None
) -> Evaluation:
    """A quick evaluation with some defences off. A machine too busy to time gets another go."""
    evaluator.defences = replace(Defences(), **dict.fromkeys(off.split(), False))
    try:
        budget_s = LATE_BUDGET_S if "stop_at_done" in off else BUDGET_S
        for _ in range(3):
            found = evaluator.evaluate(
                source(path), rivals or {}, sample="quick", budget_s=budget_s
            )
            if found.reason not in ("too-noisy", "out-of-time"):
                break
        return found
    finally:
        evaluator.defences = Defences()


@pytest.fixture(autouse=True)
def _clean_up_after_disk_caches() -> None:
    for path in Path("/tmp").glob("avogit-cheat-*"):
        path.unlink()


@pytest.mark.parametrize(
    ("path", "off", "want"), rules(), ids=lambda value: getattr(value, "stem", str(value))
)
def test_cheat_gets_its_status(evaluator: Evaluator, path: Path, off: str, want: str) -> None:
    found = judge(evaluator, path, off)
    verdict, _, reason = want.partition(" ")
    assert found.verdict.value == verdict, f"{found.reason}: {found.detail}"
    assert reason in ("*", found.reason), found.detail
    assert found.certified == (not off)


@pytest.mark.parametrize("path", [p for p in CHEATS if "not faster" in p.read_text()], ids=name)
def test_harmless_cheat_gains_nothing(evaluator: Evaluator, path: Path) -> None:
    rival = {"incumbent": source(HERE / "task" / "kernel.cpp")}
    found = judge(evaluator, path, rivals=rival)
    assert found.versus["incumbent"].low < 1.1


@pytest.mark.parametrize("path", HONEST, ids=name)
def test_honest_kernel_passes(evaluator: Evaluator, path: Path) -> None:
    found = judge(evaluator, path)
    assert found.verdict.value == "PASSED", f"{found.reason}: {found.detail}"


def test_every_defence_has_a_cheat_that_it_stops() -> None:
    switched_off = {defence for _, off, _ in rules() for defence in off.split()}
    assert switched_off == set(Defences.__dataclass_fields__)
