"""Fixtures of the store's tests: a user's repository in a clean environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_helpers import POPULATION, Git, make_repository

from avogit import store
from avogit.store import Repository, Writer


@pytest.fixture(autouse=True)
def quiet_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the test's own."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Plain git in a fresh user's repository."""
    return make_repository(tmp_path / "my repo é")


@pytest.fixture
def repo(git: Git) -> Repository:
    """The same repository, opened."""
    return store.open_repository(git.at)


@pytest.fixture
def writer(repo: Repository) -> Iterator[Writer]:
    """An open writer of the test's population."""
    with store.writer(repo, POPULATION) as opened:
        yield opened
