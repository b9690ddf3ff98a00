"""`avogit plot`: the numbers are the lineage's, and the images are images."""

from __future__ import annotations

import importlib.util
import json
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from view_helpers import Family

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


def test_the_numbers_are_the_lineages(family: Family, avogit, tmp_path: Path) -> None:
    done = avogit(family.at, "plot", "--json")
    curve = json.loads(done.stdout)
    logged = json.loads(avogit(family.at, "log", "--json").stdout)
    scores = {n: c["score"]["value"] for n, c in enumerate(logged) if c["score"]}
    assert {p["number"]: p["score"]["value"] for p in curve["points"]} == scores
    assert sum(p["entered"] for p in curve["points"]) == len(scores) - 1
    rising = [step["score"]["value"] for step in curve["best"]]
    assert rising == sorted(set(rising))
    assert curve["best"][-1]["oid"] == family["best"].oid
    assert curve["best"][-1]["workloads"] == {"full-512": 1.4, "causal-1024": 1.4}
    assert (curve["candidates"], curve["baselines"]) == (7, ["torch-flash 2.13.0"])


@needs_matplotlib
def test_svg_and_png(family: Family, avogit, tmp_path: Path) -> None:
    svg, again, png = (tmp_path / name for name in ("a.svg", "b.svg", "c.png"))
    for file in (svg, again, png):
        done = avogit(family.at, "plot", "-o", str(file))
        assert (done.returncode, done.stderr) == (0, "")
        assert str(file) in done.stdout
    root = ElementTree.fromstring(svg.read_text())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert svg.read_bytes() == again.read_bytes()
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (1280, 720)


@pytest.mark.parametrize("name", ["a.txt", "nothing"])
def test_a_format_that_is_not_known(family: Family, avogit, name: str) -> None:
    done = avogit(family.at, "plot", "-o", name)
    assert done.returncode == 1
    assert ".svg, .png, .pdf" in done.stderr


@needs_matplotlib
def test_a_folder_that_is_not_there(family: Family, avogit, tmp_path: Path) -> None:
    done = avogit(family.at, "plot", "-o", str(tmp_path / "none" / "a.svg"))
    assert done.returncode == 1
    assert done.stderr.startswith("avogit: cannot write")
    assert done.stderr.count("\n") == 1


def test_without_matplotlib_it_says_what_to_do(family: Family, avogit, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('no matplotlib here')\n")
    done = avogit(family.at, "plot", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "pip install 'avogit[plot]'" in done.stderr
    assert done.stderr.count("\n") == 1
