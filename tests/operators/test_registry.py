"""The registry, the prompts' rendering, and what is imported when."""

from __future__ import annotations

import subprocess
import sys

import jinja2
import pytest

from avogit.errors import UsageError
from avogit.operators import OPERATORS, load_operator
from avogit.operators.prompts import render
from avogit.operators.redaction import Redaction
from avogit.operators.text import bounded, one_line


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_loads(name: str) -> None:
    assert callable(load_operator(name))


def test_an_unknown_operator_is_a_usage_error_that_lists_them() -> None:
    with pytest.raises(UsageError, match="known: tune, agent, command"):
        load_operator("genius")


@pytest.mark.parametrize("name", ["tune", "command", "cross"])
def test_only_the_agent_imports_openai(name: str) -> None:
    program = (
        "import sys; from avogit.operators import load_operator;"
        f"load_operator({name!r}); print('openai' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_a_template_s_missing_variable_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("agent/nudge.md.j2")


def test_bounded_keeps_both_ends() -> None:
    text = bounded("a" * 500 + "b" * 500, 90)
    assert text.startswith("a" * 30 + "\n[... 910 characters cut here ...]\nb")
    assert bounded("short", 90) == "short"
    assert one_line("a\n b\t c" * 100, 20) == "a b ca b ca b ca ..."


def test_redaction_takes_the_longest_secret_first_and_leaves_short_values() -> None:
    redaction = Redaction(
        {"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefghij", "C_KEY": "none", "PLAIN": "abcdefgz"}
    )
    assert redaction.text("abcdefghij abcdefgh none abcdefgz") == (
        "[redacted B_TOKEN] [redacted A_TOKEN] none abcdefgz"
    )
