"""`avogit mcp`, driven by the official client over stdin and stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from avogit.commands import mcp as command
from avogit.commands.mcp import Steps, tool_entries
from avogit.errors import AvogitError

mcp = pytest.importorskip("mcp")

Said = Callable[..., Awaitable[str]]


def drive(project: Path, avogit_path: str, story: Callable[[Said], Awaitable[None]]) -> None:
    """Connect the official client to `avogit mcp` and let a story call tools."""
    server = mcp.StdioServerParameters(
        command=avogit_path, args=["-C", str(project), "mcp"], env=dict(os.environ)
    )

    async def connect() -> None:
        async with mcp.Client(server) as client:

            async def said(name: str, /, **arguments: Any) -> str:
                result = await client.call_tool(name, arguments)
                text = "".join(part.text for part in result.content)
                return f"refused: {text}" if result.is_error else text

            listed = {tool.name for tool in (await client.list_tools()).tools}
            assert listed == {entry["name"] for entry in tool_entries()}
            await story(said)

    anyio.run(connect)


@pytest.mark.slow
def test_the_official_client_takes_a_step_that_is_accepted(
    seeded: Path, avogit: Any, avogit_path: str, git: Any
) -> None:
    async def story(said: Said) -> None:
        assert "`begin` one" in await said("evaluate", subject="too early")
        begun = await said("begin")
        folder = Path(begun.splitlines()[0].removeprefix("Your workspace: "))
        assert "## The tools" in begun
        assert "a step is under way" in await said("begin")
        assert "seed" in await said("lineage_log")
        await said("plan", hypothesis="one pass suffices", expected_gain_pct=300)
        kernel = folder / "kernel.cpp"
        kernel.write_text(kernel.read_text().replace("PASSES = 8;", "PASSES = ;"))
        assert "COMPILE_ERROR" in await said("evaluate", subject="broken on the way")
        await said("edit_file", path="kernel.cpp", old="PASSES = ;", new="PASSES = 1;")
        assert "takes no 'colour'" in await said("submit", subject="x", why="", colour=1)
        told = await said("submit", subject="do the work once", why="The rest was idle.")
        assert told.startswith("accepted: "), told
        assert not folder.exists()
        assert "no step is under way" in await said("give_up", reason="after the end")

    drive(seeded, avogit_path, story)
    rows = json.loads(avogit(seeded, "log", "--json").stdout)
    assert [(row["status"], row["operator"]) for row in rows] == [
        ("seed", "seed"),
        ("draft", "mcp"),
        ("accepted", "mcp"),
    ]
    assert "one pass suffices" in rows[-1]["trailers"]["Avo-Plan"]
    assert avogit(seeded, "fsck").returncode == 0
    assert git(seeded, "status", "--porcelain") == ""


def test_giving_up_and_going_away_are_attempts(
    seeded: Path, avogit: Any, avogit_path: str, git: Any
) -> None:
    async def story(said: Said) -> None:
        await said("begin")
        assert (await said("give_up", reason="no idea")) == "gave-up: no idea"
        await said("begin")

    drive(seeded, avogit_path, story)
    attempts = git(seeded, "log", "--glob=refs/avo/records", "--format=%(trailers:key=Avo-Kind)")
    assert attempts.count("attempt") == 2
    assert avogit(seeded, "fsck").returncode == 0


def test_what_the_user_must_correct_reaches_the_agent(project: Path) -> None:
    steps = Steps(project)
    try:
        answers = [steps.call("begin", {}), steps.call("evaluate", {})]
    finally:
        steps.close()
    assert not any(answer.ok for answer in answers)
    assert "avogit init" in answers[0].text


def test_a_missing_sdk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with pytest.raises(AvogitError, match=r"avogit\[mcp\]"):
        command.serve(tmp_path)


def test_the_operator_alone_says_how_it_is_driven(seeded: Path, avogit: Any) -> None:
    done = avogit(seeded, "step", "--operator", "mcp")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "avogit mcp" in done.stderr
