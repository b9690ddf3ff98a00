"""Fixtures of the views' tests: a lineage to read, and one of a test's own to change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from view_helpers import Family, make_family


@pytest.fixture(scope="module")
def family_once(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return make_family(tmp_path_factory.mktemp("family") / "a repo é")


@pytest.fixture
def family(family_once: Family, private_environment: None) -> Family:
    """For reading only: the tests of a module share it."""
    return family_once


@pytest.fixture
def new_family(tmp_path: Path) -> Callable[[], Family]:
    """For tests that change it."""
    return lambda: make_family(tmp_path / "a repo")
