"""The `avogit` that an agent finds in its workspace: each call is one request to the step.

Owns that small command line and the wire: a socket in the folder that AVOGIT_DOOR names, one
JSON line each way. Leaves the answers to `operators.guest`. Imports nothing outside the standard
library: it runs under `python -I -S`, so that it starts at once and in any environment.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

VARIABLE = "AVOGIT_DOOR"
SOCKET = "door"
MAX_REQUEST = 64 * 1024
MAX_ANSWER = 1 << 20


class Call(NamedTuple):
    """A tool's name and its arguments (`templates/agent/tools.json`)."""

    tool: str
    arguments: dict[str, Any]


class Answer(NamedTuple):
    """What the step says. `ok` is False for a refusal and for a kernel that did not pass."""

    ok: bool
    text: str


def main(argv: Sequence[str]) -> int:
    """Ask, and print the answer; exit status 1 where it is not ok."""
    call = parse(argv)
    try:
        answer = ask(os.environ.get(VARIABLE, ""), call)
    except (OSError, ValueError) as error:
        print(f"avogit: cannot reach the step ({error}): is it over?", file=sys.stderr)
        return 1
    print(answer.text)
    return 0 if answer.ok else 1


def ask(folder: str, call: Call) -> Answer:
    """Send one request and wait for its answer."""
    os.chdir(folder)  # a socket's path may not be long: its name alone is short
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(SOCKET)
        client.sendall(encode(call._asdict()))
        with client.makefile("rb") as stream:
            return Answer(**json.loads(stream.readline(MAX_ANSWER)))


def encode(document: object) -> bytes:
    """One line of JSON."""
    return json.dumps(document).encode() + b"\n"


def parse(argv: Sequence[str]) -> Call:
    """The request that a command line means."""
    words = vars(_parser().parse_args(argv))
    tool = words.pop("tool")
    return Call(tool, {name: value for name, value in words.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="avogit", description="The step that you work in: evaluate, look up, hand in."
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, tool: str, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(tool=tool)
        return added

    one = verb(
        "evaluate", "evaluate", "Build, check and time this folder; exit status 1: it fails."
    )
    one.add_argument("-m", dest="subject", default="a draft", help="what this version changes")
    one.add_argument(
        "--full", dest="sample", action="store_const", const="full", help="as long as a decision"
    )
    one = verb("profile", "profile", "What limits this folder's kernels on the GPU.")
    one.add_argument("workload", nargs="?", help="which one; else the first")
    one = verb("submit", "submit", "Hand in this folder: you are done.")
    one.add_argument("-m", dest="subject", required=True, help="what changed, in one line")
    one.add_argument("--why", default="", help="why it is faster, and what you tried")
    one = verb("give-up", "give_up", "End without a result.")
    one.add_argument("reason")
    one = verb("plan", "plan", "Say what you will try, before you edit.")
    one.add_argument("hypothesis")
    one.add_argument("--expect", dest="expected_gain_pct", type=float, metavar="PERCENT")
    one.add_argument("--kind", help="algorithm, memory, parallelism, instructions, tuning, other")
    one.add_argument("--difficulty", help="easy, medium, hard")
    one.add_argument("--confidence", type=float, help="0 to 1: that the gain is reached")
    one = verb("lineage", "lineage_log", "Earlier versions with their scores, failed ones too.")
    one.add_argument("--best", dest="order", action="store_const", const="best")
    one.add_argument("-n", dest="count", type=int)
    one = verb("show", "lineage_show", "All numbers of one version.")
    one.add_argument("revision")
    one = verb("diff", "lineage_diff", "What differs between two versions.")
    one.add_argument("from")
    one.add_argument("to")
    one = verb("file", "read_file", "A file of another version.")
    one.add_argument("path")
    one.add_argument("--at", dest="revision", default="parent")
    one = verb("search", "knowledge_search", "Find a section of the notes.")
    one.add_argument("query")
    one = verb("failures", "lineage_failures", "What came to nothing, and why.")
    one.add_argument("-n", dest="count", type=int)
    one = verb("knowledge", "knowledge_read", "Notes on this kernel: their names, or one of them.")
    one.add_argument("file", nargs="?")
    return parser
