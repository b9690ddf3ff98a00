"""What the docs name exists: links, commands, options, make targets, files."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from avogit.cli import cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")
CALL = re.compile(r"(?:^|[\s`$(])avogit ((?:-C \S+ )?[a-z]+)((?: [^`\n|;&]*)?)")


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page_id(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_and_options_exist(page: Path) -> None:
    for span in CODE.findall(page.read_text(encoding="utf-8")):
        for name, rest in CALL.findall(span):
            name = name.split()[-1]
            command = cli.commands.get(name)
            assert command is not None, f"{page_id(page)} names `avogit {name}`"
            if isinstance(command, click.Group):
                word = rest.split()[0] if rest.split() else ""
                assert word in ("", *command.commands), f"{page_id(page)}: avogit {name} {word}"
                command = command.commands.get(word, command)
            known = {"--help"}
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    known |= {*parameter.opts, *parameter.secondary_opts}
            # An option's value may be a command line of its own: `--command 'claude -p'`.
            bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", rest)
            for option in re.findall(r"(?<=\s)--[a-z-]+", bare):
                assert option in known, f"{page_id(page)} names `avogit {name} {option}`"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for span in CODE.findall(page.read_text(encoding="utf-8")):
        for target in re.findall(r"\bmake ([a-z]+)", span):
            assert target in targets, f"{page_id(page)} names `make {target}`"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_named_in_code_exist(page: Path) -> None:
    pattern = re.compile(r"`((?:avogit|tests|docs|kernels|benchmarks|templates|hooks)/[\w./-]+)`")
    for name in pattern.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"{page_id(page)} names {name}"


def test_every_command_is_documented() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in cli.commands if f"avogit {name}" not in text]
    assert not missing
