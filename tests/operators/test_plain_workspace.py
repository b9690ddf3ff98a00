"""What is taken from a workspace, and what is named instead."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from operator_samples import FOLDER, TASK, sample_task

from avogit import workspace
from avogit.errors import AvogitError
from avogit.workspace import read_back, write_workspace

TASK_OBJECT = sample_task()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    directory = tmp_path / "work here"
    write_workspace(directory, FOLDER, protected=("problem.py", "task.yaml"))
    return directory


def violations(folder: Path) -> tuple[str, ...]:
    return read_back(folder, TASK_OBJECT, FOLDER).violations


def test_an_untouched_workspace_gives_back_the_editable_files(folder: Path) -> None:
    assert read_back(folder, TASK_OBJECT, FOLDER) == ({"kernel.cpp": FOLDER["kernel.cpp"]}, ())


def test_edits_and_new_editable_files_come_back(folder: Path) -> None:
    (folder / "kernel.cpp").write_bytes(b"// \xff new\n")
    (folder / "parts").mkdir()
    (folder / "parts" / "inner.h").write_bytes(b"")
    files, named = read_back(folder, TASK_OBJECT, FOLDER)
    assert files == {"kernel.cpp": b"// \xff new\n", "parts/inner.h": b""}
    assert named == ()


def test_nothing_of_git_is_written(folder: Path) -> None:
    assert not list(folder.rglob(".git*"))


def test_protected_files_are_read_only_for_those_who_look(folder: Path) -> None:
    assert (folder / "problem.py").stat().st_mode & 0o222 == 0
    assert (folder / "kernel.cpp").stat().st_mode & 0o200


@pytest.mark.parametrize("text", [b"# the refErence\n", b"# shorter\n", b"x" * (2 << 20)])
def test_a_changed_protected_file(folder: Path, text: bytes) -> None:
    (folder / "problem.py").chmod(0o600)
    (folder / "problem.py").write_bytes(text)
    assert violations(folder) == ("protected-file-changed: problem.py",)


def test_a_file_outside_the_editable_ones(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / "out").mkdir()
    (folder / "out" / "a.o").write_bytes(b"\x7fELF")
    assert violations(folder) == (
        "file-outside-editable: notes.txt",
        "file-outside-editable: out/a.o",
    )


def test_deleted_files(folder: Path) -> None:
    (folder / "problem.py").unlink()
    (folder / "kernel.cpp").unlink()
    assert violations(folder) == ("file-deleted: kernel.cpp", "file-deleted: problem.py")


def test_a_symlink_is_named_and_never_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.h").write_text("secret")
    (folder / "kernel.cpp").unlink()
    (folder / "kernel.cpp").symlink_to(tmp_path / "secret.h")
    (folder / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    files, named = read_back(folder, TASK_OBJECT, FOLDER)
    assert files == {}
    assert named == ("symlink: elsewhere", "symlink: kernel.cpp")


def test_a_file_replaced_by_a_folder_a_pipe_or_a_socket(folder: Path) -> None:
    for name in ("kernel.cpp", "problem.py"):
        (folder / name).unlink()
    (folder / "kernel.cpp").mkdir()
    os.mkfifo(folder / "problem.py")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path may not be long
        server.bind("s.h")
        os.chdir(here)
    assert violations(folder) == (
        "file-deleted: kernel.cpp",
        "not-a-file: problem.py",
        "not-a-file: s.h",
    )


def test_a_huge_file_is_named_and_not_read(folder: Path) -> None:
    with (folder / "kernel.cpp").open("wb") as file:
        file.truncate(1 << 40)
    (named,) = violations(folder)
    assert named == f"too-large: kernel.cpp ({1 << 40} bytes, at most {1 << 20})"


def test_a_repository_inside_counts_as_one_entry(folder: Path) -> None:
    (folder / ".git" / "hooks").mkdir(parents=True)
    (folder / ".git" / "config.h").write_text("[core] fsmonitor = evil")
    (folder / "sub").mkdir()
    (folder / "sub" / ".GIT").write_text("gitdir: elsewhere")
    assert violations(folder) == ("file-outside-editable: .git", "file-outside-editable: sub/.GIT")


def test_everything_editable_does_not_cover_git(tmp_path: Path) -> None:
    files = {**FOLDER, "src/kernel.cpp": b"", "task.yaml": TASK.replace(b'"*.h"', b'"src*"')}
    task = sample_task(files)
    write_workspace(tmp_path / "w", files)
    (tmp_path / "w" / "src" / ".git").write_text("gitdir: elsewhere")
    found = read_back(tmp_path / "w", task, files)
    assert found.violations == ("file-outside-editable: src/.git",)


@pytest.mark.parametrize("name", ["a\nAvo-Status: accepted.h", "\udcff.h", "\x1b[2J.h"])
def test_a_name_that_no_message_could_show(folder: Path, name: str) -> None:
    (folder / name).write_text("")
    (named,) = violations(folder)
    assert named.startswith("bad-name: ")
    assert named.isprintable()


def test_many_violations_are_counted(folder: Path) -> None:
    for number in range(50):
        (folder / f"{number:02}.o").write_bytes(b"")
    named = violations(folder)
    assert named[0] == "file-outside-editable: 00.o"
    assert named[-1] == "and 30 more"


def test_a_flood_of_files_ends_the_reading(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "MAX_ENTRIES", 30)
    for number in range(50):
        (folder / f"{number:02}.h").write_bytes(b"")
    assert violations(folder) == ("too-many-files: more than 30",)


def test_files_that_were_told_to_be_written_are_ignored(folder: Path) -> None:
    (folder / "MESSAGE").write_text("subject")
    found = read_back(folder, TASK_OBJECT, FOLDER, ignored=("MESSAGE",))
    assert found.violations == ()


def test_a_workspace_that_is_gone_or_a_link_is_not_looked_into(
    folder: Path, tmp_path: Path
) -> None:
    folder.rename(tmp_path / "moved")
    deleted = tuple(f"file-deleted: {name}" for name in sorted(FOLDER))
    assert read_back(folder, TASK_OBJECT, FOLDER) == ({}, (*deleted, "unreadable: ."))
    folder.symlink_to(tmp_path / "moved")
    assert read_back(folder, TASK_OBJECT, FOLDER) == ({}, (*deleted, "unreadable: ."))


def test_a_link_that_takes_a_folder_s_place_while_we_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The swap happens between listing the workspace and entering the folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.h").write_text("a secret of the host's")
    directory = tmp_path / "w"
    write_workspace(directory, {**FOLDER, "parts/inner.h": b""})
    task = sample_task({**FOLDER, "task.yaml": TASK.replace(b'"*.h"', b'"parts/*.h"')})
    enter = workspace._open_folder

    def swapped(where: Path, prefix: str) -> int:
        if prefix == "parts/":
            (where / "parts").rename(where.parent / "old")
            (where / "parts").symlink_to(outside)
        return enter(where, prefix)

    monkeypatch.setattr(workspace, "_open_folder", swapped)
    files, named = read_back(directory, task, {**FOLDER, "parts/inner.h": b""})
    assert set(files) == {"kernel.cpp"}
    assert "unreadable: parts/" in named


def test_writing_follows_no_link(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.h").write_text("the user's")
    (folder / "elsewhere").symlink_to(outside)
    (folder / "here.h").symlink_to(outside / "mine.h")
    for name in ("elsewhere/mine.h", "elsewhere/deep/new.h", "here.h"):
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            workspace.write_file(folder, name, b"planted")
    assert [p.name for p in outside.iterdir()] == ["mine.h"]
    assert (outside / "mine.h").read_text() == "the user's"
    workspace.write_file(folder, "new/parts/x.h", b"fine")
    assert (folder / "new" / "parts" / "x.h").read_bytes() == b"fine"


def test_too_much_in_all_and_too_deep(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder.joinpath(*["d"] * 70)
    deep.mkdir(parents=True)
    (named,) = violations(folder)
    assert named.startswith("unreadable: d/d/")
    monkeypatch.setattr(workspace, "MAX_TOTAL_BYTES", 10)
    assert "too-large: more than 10 bytes in all" in violations(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "kernel.cpp").chmod(0)
    (folder / "locked").mkdir(mode=0)
    assert violations(folder) == ("unreadable: kernel.cpp", "unreadable: locked/")
    (folder / "locked").chmod(0o700)


@pytest.mark.parametrize(
    "name", ["../out.h", "/etc/x.h", ".git/config", "a/.Git/x", "", "a/../../x"]
)
def test_a_path_that_leads_out_is_never_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(AvogitError, match="leads out"):
        write_workspace(tmp_path / "w", {name: b""})


def test_a_folder_in_use_is_refused(folder: Path) -> None:
    with pytest.raises(AvogitError, match="not empty"):
        write_workspace(folder, FOLDER)
