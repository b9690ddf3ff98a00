"""What tests of measuring on a GPU need where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def needs(*modules: str) -> None:
    """Skip the test module that says so where one of these is not installed."""
    for module in modules:
        pytest.importorskip(module, reason=f"no {module}: pip install 'avogit[gpu]'")


def scripted(*words: str) -> list[str]:
    """The command of launchers that follow a script; the socket's number comes first."""
    return [sys.executable, str(HERE / "scripted_launcher.py"), *words]


def within(seconds: float, happened: Callable[[], bool]) -> bool:
    """Whether it happens in that time."""
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened()
