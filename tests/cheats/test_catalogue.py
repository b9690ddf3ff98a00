"""docs/measuring.md lists every known cheat, and says of it what the tests say."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "measuring.md"
ROW = re.compile(r"^\| (H\d\d) \| [^|]+ \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(h\d\d_\w+)`: ([A-Z_]+(?: (?:signal SIG[A-Z]+|[a-z*-]+))?)")


def rows() -> list[tuple[str, str]]:
    return ROW.findall(PAGE.read_text())


def test_every_number_has_one_row() -> None:
    assert [number for number, _ in rows()] == [f"H{n:02}" for n in range(1, 61)]


def test_every_row_names_a_test_or_a_reason() -> None:
    for number, text in rows():
        named = re.search(r"`h\d\d_|`tests/|`benchmarks/|nothing to attack|^GPU", text)
        assert named, f"{number} names neither"


def test_every_kernel_is_listed_with_the_status_that_it_must_get() -> None:
    listed = {}
    for _, text in rows():
        for name, status in NAMED.findall(text):
            listed.setdefault(name, status)
    for path in HERE.glob("h*.cpp"):
        first = re.search(r"^// expect: (.+)$", path.read_text(), re.MULTILINE)
        assert first is not None
        assert listed.get(path.stem) == first[1], path.stem
