"""`avogit report` in a browser: what is seen, the keyboard, and how soon.

Skipped where no Chromium is installed; what needs no browser is tested in `test_report.py`.
"""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from view_helpers import HOSTILE, Family, make_told

from avogit.commands.report import Detail, Report, report
from avogit.genealogy import nodes
from avogit.records import Candidate, Lineage, Ratio, Status, Verdict
from avogit.report.page import write
from avogit.trajectory import trajectory

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="no Chromium, or no playwright, is installed",
)
Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Opened]:
    """Opens a page; at the end none of them may have complained or asked a network."""
    complaints: list[str] = []
    contexts = []

    def open_page(file: Path, width: int = 1280, height: int = 900, fragment: str = "") -> Any:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: _check_address(asked.url, complaints))
        page.goto(file.as_uri() + fragment)
        page.wait_for_selector("#candidate .facts")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _check_address(address: str, complaints: list[str]) -> None:
    if not address.startswith("file:"):
        complaints.append(address)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return make_told(tmp_path_factory.mktemp("told") / "a repo")


@pytest.fixture(scope="module")
def page_file(told: Family) -> Path:
    file = told.at.parent / "page.html"
    write(report(told.at, None), file)
    return file


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_shows_the_best(
    told: Family, page_file: Path, opened: Opened, width: int
) -> None:
    page = opened(page_file, width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.get_by_role("heading", level=1).inner_text().startswith("attention-cpu-test")
    assert page.locator("#candidate h2").inner_text() == "try best"
    assert page.locator("#candidate td").first.inner_text() == "1000.0"
    assert "+best" in page.locator("#candidate pre").inner_text()
    assert page.locator("#tree").get_by_role("option").count() == 8
    chosen = page.locator("#tree").get_by_role("option", selected=True)
    words = chosen.inner_text().split()
    assert words == ["1.400x", "+1.3%", "try", "best", "live", told["best"].oid[:10]]
    assert "from 0.500x to 1.400x" in page.get_by_role("img").get_attribute("aria-label")
    lineage, article = (page.locator(s).bounding_box() for s in (".lineage", "#candidate"))
    beside = article["x"] >= lineage["x"] + lineage["width"]
    below = article["y"] >= lineage["y"] + lineage["height"]
    assert (beside, below) == ((True, False) if width == 1280 else (False, True))


def test_text_from_operators_is_shown_as_it_is(
    told: Family, page_file: Path, opened: Opened
) -> None:
    page = opened(page_file, fragment=f"#{told['hostile'].oid[:10]}")
    assert page.locator("#candidate h2").inner_text() == HOSTILE
    assert page.locator("img").count() == 0
    page.get_by_text("2 turns").click()
    turn = page.locator(".turn").first
    assert turn.inner_text().split() == ["user", "make", "it", "faster", "</script>"]


def test_the_keyboard_reaches_everything(page_file: Path, opened: Opened) -> None:
    page = opened(page_file)
    heading = page.locator("#candidate h2")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "tree":
            break
    page.keyboard.press("Home")
    assert heading.inner_text() == "seed"
    page.keyboard.press("ArrowDown")
    assert heading.inner_text() == "try other"
    page.keyboard.press("ArrowLeft")
    assert heading.inner_text() == "seed"
    page.keyboard.press("End")
    assert heading.inner_text() == HOSTILE
    page.keyboard.press("ArrowUp")
    assert heading.inner_text() == "try best"
    active = page.evaluate("document.getElementById('tree').getAttribute('aria-activedescendant')")
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "candidate"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the parent, which is a button
    assert heading.inner_text() == "try second"


def test_filters_and_the_plot(told: Family, page_file: Path, opened: Opened) -> None:
    page = opened(page_file)
    page.get_by_label("Find").fill("try second")
    assert page.locator("#count").inner_text() == "1 of 8"
    page.get_by_label("Find").fill("")
    page.get_by_label("Show").select_option("without a score")
    assert page.locator("#tree").inner_text().split() == [
        "compile",
        "try",
        "broken",
        "rejected",
        told["broken"].oid[:10],
    ]
    page.get_by_label("Show").select_option("all")
    dots = page.locator("#chart svg").bounding_box()
    page.mouse.click(dots["x"] + 45, dots["y"] + dots["height"] * 0.7)
    assert page.locator("#candidate h2").inner_text() == "seed"


def big_report(count: int) -> Report:
    """A lineage of so many candidates, in memory: what git would give, without waiting for it."""
    candidates: dict[str, Candidate] = {}
    ids: list[str] = []
    for number in range(count):
        oid = f"{number * 2654435761 % 2**32:08x}".ljust(40, "0")
        above = ids[-1 - number % 7 :][:1] if number % 50 else ids[:1]
        ids.append(oid)
        s = 0.5 + math.log1p(number) / 10 - number % 11 / 30
        score = Ratio(s, s * 0.99, s * 1.01) if number % 9 else None
        status = Status.ACCEPTED if number % 3 == 0 and score else Status.REJECTED
        candidates[oid] = Candidate(
            oid, "t", tuple(above), number, f"attention: change number {number} of many", "big",
            status, Verdict.PASSED if score else Verdict.TIMEOUT, "t", score,
            {f"workload-{n}": s for n in range(8)} if score else {}, "tune", number,
            {"Avo-Task": "attention x", "Avo-Baseline": "torch 2", "Avo-Reason": "so it was"},
        )  # fmt: skip
    lineage = Lineage("big", candidates, (), (), {})
    diff = "diff --git a/k b/k\n--- a/k\n+++ b/k\n@@ -1 +1 @@\n" + "+more\n" * 40
    drawn = nodes(lineage, candidates)
    details = (Detail(n.candidate, "", diff, (), "", None, "", None) for n in drawn)
    return Report(lineage, drawn, trajectory(lineage), details)


def paint_times(page: Any) -> list[float]:
    """When something was painted first, and when all was drawn, in ms. Told a little later."""
    found = "['first-contentful-paint', 'drawn'].map(n => performance.getEntriesByName(n)[0])"
    for _ in range(100):
        times: list[float | None] = page.evaluate(f"{found}.map(e => e ? e.startTime : null)")
        if None not in times:
            return [time for time in times if time is not None]
        page.wait_for_timeout(50)
    raise AssertionError("nothing was painted")


def test_ten_thousand_candidates_are_painted_within_a_second(
    tmp_path: Path, opened: Opened
) -> None:
    file = tmp_path / "big.html"
    write(big_report(10_000), file)
    page = opened(file)
    times = [paint_times(page)]
    while max(times[-1]) >= 1000 and len(times) < 4:  # other programs of the machine, then
        page.reload()
        page.wait_for_selector("#candidate .facts")
        times.append(paint_times(page))
    assert min(map(max, times)) < 1000, times
    tree = page.locator("#tree")
    chosen = tree.get_by_role("option", selected=True)
    assert tree.get_by_role("option").count() < 100
    tree.focus()
    page.keyboard.press("End")
    assert chosen.get_attribute("aria-posinset") == "10000"
    page.keyboard.press("Home")
    assert chosen.get_attribute("aria-posinset") == "1"
