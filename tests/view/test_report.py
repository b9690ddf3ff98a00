"""`avogit report` without a browser: what lies in the file, and that none of it is markup."""

from __future__ import annotations

import base64
import gzip
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from store_helpers import POPULATION
from view_helpers import HOSTILE, Family, make_told

from avogit.report.transcript import turns

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "report"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return make_told(tmp_path_factory.mktemp("told") / "a repo")


def index(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="index">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found[1])


def details(text: str) -> list[dict[str, Any]]:
    blocks = re.findall(r'<script type="text/plain" class="block" id="[^"]+">(.*?)</script>', text)
    opened = (json.loads(gzip.decompress(base64.b64decode(block))) for block in blocks)
    return [detail for block in opened for detail in block]


@pytest.fixture
def page(told: Family, avogit, tmp_path: Path) -> str:
    done = avogit(told.at, "report", "-o", str(tmp_path / "page.html"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "8 candidates" in done.stdout
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_every_candidate_with_its_own_diff_and_table(told: Family, page: str) -> None:
    rows, found = index(page), details(page)
    assert sorted(rows["oid"]) == sorted(c.oid for c in told.members.values())
    assert len(found) == len(rows["oid"])
    for oid, detail in zip(rows["oid"], found, strict=True):
        assert detail["diff"].rstrip("\n") == told.git("diff", f"{oid}~", oid)
    at = rows["oid"].index(told["best"].oid)
    record = json.loads(told.git("show", f"{found[at]['record']}:record.json"))
    timing = record["payload"]["evaluation"]["workloads"][0]
    stated = [round(timing["versus"]["baseline"][key], 5) for key in ("value", "low", "high")]
    assert found[at]["table"][0]["arms"]["baseline"] == [1400.0, stated]
    assert list(found[at]["table"][0]["arms"]) == ["baseline", "parent"]
    assert rows["score"][at][0] == 1.4
    assert rows["standing"][at] == "live"
    assert rows["incumbent"] == at


def test_operators_text_is_no_markup(told: Family, page: str) -> None:
    assert "<img" not in page
    assert page.count("</script>") == 3  # index, script, one block
    rows, found = index(page), details(page)
    at = rows["oid"].index(told["hostile"].oid)
    assert rows["subject"][at] == HOSTILE
    assert found[at]["why"] == f"Because\n\n{HOSTILE}"
    assert found[at]["trailers"]["Avo-Plan"] == f"hope {HOSTILE}, expected +4%"
    assert found[at]["transcript"] == [
        ["user", "make it faster </script>"],
        ["assistant calls", 'edit {"file": "kernel.cpp"}'],
    ]


def test_nothing_comes_from_elsewhere(page: str) -> None:
    shell = re.sub(r"<script type=.*?</script>", "", page, flags=re.S)
    elsewhere = r"""(?:src|href)\s*=\s*["'](?!#)|url\(|@import|fetch\(|https?:(?!//www\.w3)"""
    assert not re.search(elsewhere, shell)
    policy = re.search(r'content="(default-src .*?)"', page)
    assert policy is not None
    for name, kind in (("page.js", "script-src"), ("page.css", "style-src")):
        digest = base64.b64encode(sha256((TEMPLATES / name).read_bytes()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy[1]
        assert "</" not in (TEMPLATES / name).read_text()


def test_the_same_lineage_gives_the_same_page(told: Family, page: str, avogit, tmp_path) -> None:
    again = json.loads(avogit(told.at, "report", "-o", str(tmp_path / "b.html"), "--json").stdout)
    assert (tmp_path / "b.html").read_text(encoding="utf-8") == page
    assert again == {
        "file": str(tmp_path / "b.html"),
        "population": POPULATION,
        "candidates": 8,
        "size_bytes": len(page.encode()),
    }


def test_a_clone_without_records_still_has_scores_and_diffs(
    told: Family, git, avogit, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(told.at), str(clone))
    done = avogit(clone, "report", "-o", str(tmp_path / "clone.html"))
    assert (done.returncode, done.stderr) == (0, "")
    found = details((tmp_path / "clone.html").read_text(encoding="utf-8"))
    assert [detail["table"] for detail in found] == [[]] * 4
    assert all("Avo-Score-Workloads" in detail["trailers"] for detail in found)


def test_a_folder_that_is_not_there(told: Family, avogit, tmp_path: Path) -> None:
    done = avogit(told.at, "report", "-o", str(tmp_path / "none" / "a.html"))
    assert done.returncode == 1
    assert done.stderr.startswith("avogit: cannot write")
    assert done.stderr.count("\n") == 1


def test_transcripts_of_any_shape() -> None:
    parts = [{"role": "assistant", "content": [{"type": "text", "text": "one"}, "two"]}, 7]
    assert turns("transcript.json", json.dumps(parts).encode()) == [
        ("assistant", "one\ntwo"),
        ("", "7"),
    ]
    assert turns("transcript.txt", b"[1] said\xff") == [("output", "[1] said\ufffd")]
    assert turns("transcript.json", b"{broken") == [("output", "{broken")]
    long = turns("transcript.txt", b"x" * 300_000)
    assert [len(text) for _, text in long] == [200_000, 35]


def colours(style: str) -> list[dict[str, str]]:
    """The light palette, and the dark one."""
    return [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in
            re.findall(r":root \{(.*?)\}", style, re.S)]  # fmt: skip


def luminance(colour: str) -> float:
    values = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    dark, light = sorted((luminance(one), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [0, 1], ids=["light", "dark"])
def test_text_has_contrast_on_everything_it_stands_on(palette: int) -> None:
    known = colours((TEMPLATES / "page.css").read_text())[palette]
    for ink in ("ink", "soft", "accent", "good", "bad", "gold"):
        for ground in ("paper", "panel", "chosen"):
            assert contrast(known[ink], known[ground]) >= 4.5, (ink, ground)
    for ground in ("added", "removed"):
        assert contrast(known["ink"], known[ground]) >= 4.5
    for line in ("w0", "w1", "w2", "w3", "w4", "w5"):
        assert contrast(known[line], known["paper"]) >= 3
