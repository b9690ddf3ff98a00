"""docs/measuring.md lists every known cheat, and says of it what the tests say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from avogit.corpus import Specimen, cpu_specimens, gpu_specimens

PAGE = Path(__file__).resolve().parents[2] / "docs" / "measuring.md"
ROW = re.compile(r"^\| (H\d\d) \| [^|]+ \| (.+) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(\w+)`: ([A-Z_]+(?: (?:signal SIG[A-Z]+|[a-z*-]+))?)(, and gains nothing)?")
UNNAMED = r"`h\d\d_|`tests/|`benchmarks/|nothing to attack|^no device$|^no host code|^as on a CPU"
NUMBERS = [f"H{n:02}" for n in range(1, 61)]
CPU, GPU = 1, 2


def rows() -> list[tuple[str, str, str]]:
    return ROW.findall(PAGE.read_text())


def cheats(kernels: tuple[Specimen, ...]) -> list[Specimen]:
    return [kernel for kernel in kernels if not kernel.honest]


def test_every_number_has_one_row() -> None:
    assert [number for number, _, _ in rows()] == NUMBERS


@pytest.mark.parametrize("column", [CPU, GPU], ids=["cpu", "gpu"])
def test_every_row_names_a_test_or_a_reason(column: int) -> None:
    for row in rows():
        named = NAMED.search(row[column]) or re.search(UNNAMED, row[column])
        assert named, f"{row[0]} names neither"


@pytest.mark.parametrize("column", [CPU, GPU], ids=["cpu", "gpu"])
def test_every_kernel_is_listed_with_the_status_that_it_must_get(column: int) -> None:
    kernels = cheats(cpu_specimens() if column == CPU else gpu_specimens())
    listed: dict[str, set[tuple[str, bool]]] = {}
    for row in rows():
        for name, status, harmless in NAMED.findall(row[column]):
            listed.setdefault(name, set()).add((status, bool(harmless)))
    for kernel in kernels:
        assert listed.pop(kernel.name) == {(kernel.expect, kernel.harmless)}, kernel.name
    assert not listed


def test_a_candidate_for_a_gpu_stands_in_the_rows_of_all_its_cheats() -> None:
    text = {number: text for number, _, text in rows()}
    for kernel in cheats(gpu_specimens()):
        assert set(kernel.cheats) <= set(NUMBERS)
        for number in NUMBERS:
            assert (f"`{kernel.name}`:" in text[number]) == (number in kernel.cheats), number
