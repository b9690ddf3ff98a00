"""`avogit mcp`: a step for an agent that is already running, over the Model Context Protocol.

Owns the server on stdin and stdout and the one thread that takes the steps. The one door to the
`mcp` package. Leaves what a tool does to `operators.guest`, and the step to `step`.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from avogit import __version__
from avogit.door import Answer
from avogit.errors import AvogitError
from avogit.operators.guest import INSTRUCTIONS, offered_tools
from avogit.operators.mcp import TOOLS, Desk, desk
from avogit.session import open_session
from avogit.settling import StepResult
from avogit.step import take_step

BEGIN = "begin"
_ABOUT = (
    "avogit evolves a kernel. `begin` gives you a workspace and what you need to know; edit there, "
    "`evaluate` drafts, then `submit` (or `give_up`). One step at a time."
)
_BEGIN_TEXT = "Begin a step: a parent is chosen, and a workspace with its files is made for you."


class Steps:
    """The steps of one connection, one at a time. Every call here may be made from any thread.

    All of a step runs in one thread that lives as long as the connection: an oracle ends with
    the thread that started it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="step")
        self._desk = Desk()
        self._step: Future[StepResult] | None = None
        self._beginning = threading.Lock()

    def call(self, name: str, arguments: dict[str, Any]) -> Answer:
        """Answer a tool's call. Blocks for as long as it takes."""
        try:
            return self._begin() if name == BEGIN else self._ask(name, arguments)
        except AvogitError as error:
            return Answer(False, f"avogit: {error}")

    def close(self) -> None:
        """The agent is gone: let a step under way end."""
        self._desk.leave()
        self._thread.shutdown()

    def _begin(self) -> Answer:
        with self._beginning:  # two at once would leave one without anybody to end it
            if self._step is not None and not self._step.done():
                return Answer(False, "a step is under way: `submit` or `give_up` ends it")
            self._desk = mine = Desk()
            self._step = step = self._thread.submit(self._take, mine)
        _first_of(mine.workspace, step)
        if not mine.workspace.done():
            return Answer(True, f"{_told(step.result())}\nThat was left in hand: `begin` again.")
        folder = mine.workspace.result()
        text = (folder / INSTRUCTIONS).read_text("utf-8")
        return Answer(True, f"Your workspace: {folder}\n\n{text}")

    def _take(self, mine: Desk) -> StepResult:
        desk.set(mine)
        with open_session(self._path) as session:
            return take_step(session, "mcp")

    def _ask(self, name: str, arguments: dict[str, Any]) -> Answer:
        step = self._step
        if step is None or step.done():
            return Answer(False, "no step is under way: `begin` one")
        answer = self._desk.call(name, json.dumps(arguments))
        _first_of(answer, step)
        if not answer.done():
            return Answer(True, _told(step.result()))
        found = answer.result()
        ends = found.ok and name in ("submit", "give_up")
        return Answer(True, _told(step.result())) if ends else found


def _first_of(*futures: Future[Any]) -> None:
    """Wait until one of them is done: a step that fails answers no call."""
    wait(futures, return_when=FIRST_COMPLETED)


def serve(path: Path) -> None:
    """Serve one agent until it closes our stdin."""
    try:
        import anyio
        from mcp.server import ServerRequestContext  # noqa: F401  (version 1 has none)
    except ImportError as error:
        raise AvogitError(
            "`avogit mcp` needs version 2 of the MCP SDK, which is not installed: "
            "`pip install 'avogit[mcp]'`"
        ) from error
    anyio.run(_serve, Steps(path))


async def _serve(steps: Steps) -> None:
    import anyio
    from mcp import types
    from mcp.server import Server, ServerRequestContext
    from mcp.server.stdio import stdio_server

    async def list_tools(
        _: ServerRequestContext[Any], __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool(**entry) for entry in tool_entries()])

    async def call_tool(
        _: ServerRequestContext[Any], asked: types.CallToolRequestParams
    ) -> types.CallToolResult:
        answer = await anyio.to_thread.run_sync(
            steps.call, asked.name, asked.arguments or {}, abandon_on_cancel=True
        )
        text = types.TextContent(type="text", text=answer.text)
        return types.CallToolResult(content=[text], is_error=not answer.ok)

    server = Server(
        "avogit",
        version=__version__,
        instructions=_ABOUT,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    try:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
    finally:
        steps.close()


def tool_entries() -> list[dict[str, Any]]:
    """Every tool's name, description and schema, in the protocol's words."""
    entries = [
        {
            "name": BEGIN,
            "description": _BEGIN_TEXT,
            "input_schema": {"type": "object", "properties": {}},
        }
    ]
    for tool in offered_tools(TOOLS):
        function = tool["function"]
        entries.append(
            {
                "name": function["name"],
                "description": function["description"],
                "input_schema": function["parameters"],
            }
        )
    return entries


def _told(result: StepResult) -> str:
    """What became of the step, for the agent that took it."""
    text = f"{result.outcome}: {result.reason}"
    if result.candidate is None:
        return text
    lines = [text, f"commit {result.candidate.oid}: {result.candidate.subject}"]
    if result.evaluation is not None and result.evaluation.detail:
        lines.append(result.evaluation.detail)
    return "\n".join(lines)
