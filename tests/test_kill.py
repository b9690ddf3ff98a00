"""kill -9 at any point of a step: the next command works and nothing recorded is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

POINTS = 6


def descendants(pid: int) -> list[int]:
    """Processes below one, from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def start(directory: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "avogit", *(arguments or ("step",)), "--operator", "tune"],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def acknowledged(directory: Path, avogit) -> set[str]:
    done = avogit(directory, "log", "--json")
    assert done.returncode == 0, done.stderr
    return {row["oid"] for row in json.loads(done.stdout)}


def check(directory: Path, avogit, before: set[str]) -> set[str]:
    done = avogit(directory, "fsck")
    assert done.returncode == 0, done.stdout
    after = acknowledged(directory, avogit)
    assert before <= after
    return after


@pytest.mark.slow
def test_avogit_is_killed_at_every_stage(seeded: Path, avogit) -> None:
    begun = time.monotonic()
    assert avogit(seeded, "step").returncode == 0
    whole_s = time.monotonic() - begun
    known = acknowledged(seeded, avogit)
    for point in range(POINTS):
        process = start(seeded)
        time.sleep(whole_s * (point + 0.5) / POINTS)
        below = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 5
        while any(alive(pid) for pid in below) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not [pid for pid in below if alive(pid)], "outlived avogit: " + str(
            [Path(f"/proc/{p}/cmdline").read_bytes()[-60:] for p in below if alive(p)]
        )
        known = check(seeded, avogit, known)
    done = avogit(seeded, "step", "--json")
    assert done.returncode == 0, done.stderr


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.slow
@pytest.mark.parametrize("part", ["oracle", "runner"])
def test_a_helper_process_is_killed(seeded: Path, avogit, part: str) -> None:
    known = acknowledged(seeded, avogit)
    process = start(seeded)
    victim = None
    deadline = time.monotonic() + 20
    while victim is None and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
        for pid in descendants(process.pid):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                if f"bench.{part}".encode() in words:
                    victim = pid
    assert victim is not None, f"no {part} was ever seen"
    os.kill(victim, signal.SIGKILL)
    process.wait(timeout=60)
    check(seeded, avogit, known)
    assert avogit(seeded, "step").returncode == 0


@pytest.mark.slow
def test_ctrl_c_is_clean_and_the_next_run_goes_on(seeded: Path, avogit) -> None:
    known = acknowledged(seeded, avogit)
    process = start(seeded, "run", "--steps", "5", "--no-confirm")
    deadline = time.monotonic() + 30
    while acknowledged(seeded, avogit) == known and time.monotonic() < deadline:
        time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    known = check(seeded, avogit, known)
    done = avogit(seeded, "run", "--steps", "1", "--no-confirm", "--json")
    assert done.returncode == 0, done.stderr
    assert len(check(seeded, avogit, known)) == len(known) + 1


def test_a_stop_file_ends_a_run(seeded: Path, avogit, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    stop.touch()
    done = avogit(seeded, "run", "--stop-file", str(stop), "--no-confirm", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]["steps"] == []
