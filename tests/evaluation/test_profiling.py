"""Profiles and memory checks: what NVIDIA's tools print, and how they are called.

No GPU is needed: where a tool runs, a script stands for it that prints what the real one would.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest

from avogit import corpus
from avogit.bench.gpu.profiling import parse_table, profile
from avogit.bench.gpu.sanitizer import parse_findings, sanitize
from avogit.bench.gpu.tools import Target
from avogit.errors import AvogitError
from avogit.evaluation.profiling import profile as profile_files

STALLED = "smsp__average_warps_issue_stalled_"
COUNTERS = {
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": ("%", "4.91"),
    "gpu__time_duration.sum": ("ns", "812,544"),
    "launch__registers_per_thread": ("register/thread", "168"),
    "launch__shared_mem_per_block": ("byte/block", "66,560"),
    "lts__t_sector_hit_rate.pct": ("%", "93.02"),
    "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed": ("%", "n/a"),
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": ("%", "61.37"),
    "sm__warps_active.avg.pct_of_peak_sustained_active": ("%", "24.88"),
    f"{STALLED}barrier_per_issue_active.ratio": ("inst", "0.41"),
    f"{STALLED}long_scoreboard_per_issue_active.ratio": ("inst", "1.75"),
    f"{STALLED}math_pipe_throttle_per_issue_active.ratio": ("inst", "0.93"),
    f"{STALLED}selected_per_issue_active.ratio": ("inst", "1.00"),
    f"{STALLED}wait_per_issue_active.ratio": ("inst", "0.12"),
}
FIXED = {
    "ID": ("", "0"),
    "Process ID": ("", "4242"),
    "Process Name": ("", "python3.11"),
    "Host Name": ("", "127.0.0.1"),
    "Kernel Name": ("", "attention_128_causal_bf16"),
    "Context": ("", "1"),
    "Stream": ("", "13"),
    "Block Size": ("", "(128, 1, 1)"),
    "Grid Size": ("", "(64, 16, 8)"),
    "Device": ("", "0"),
    "CC": ("", "9.0"),
}


def table(*rows: dict[str, str]) -> str:
    """As `ncu --csv --page raw` prints it: what it does, names, units, a line for each launch."""
    columns = FIXED | COUNTERS
    lines = [
        list(columns),
        [unit for unit, _ in columns.values()],
        *([row.get(name, value) for name, (_, value) in columns.items()] for row in rows),
    ]
    quoted = [",".join(f'"{cell}"' for cell in line) for line in lines]
    said = ["==PROF== Connected to process 4242 (/usr/bin/python3.11)", "==PROF== Disconnected"]
    return "\n".join([*said, *quoted]) + "\n"


def test_a_launch_is_read_from_the_profilers_table() -> None:
    (kernel,) = parse_table(table({}))
    assert (kernel.kernel, kernel.grid) == ("attention_128_causal_bf16", "(64, 16, 8)")
    assert kernel.duration_us == pytest.approx(812.544)
    assert (kernel.sm_pct, kernel.dram_pct, kernel.l2_hit_pct) == (61.37, 4.91, 93.02)
    assert (kernel.registers, kernel.shared_bytes) == (168, 66560)
    assert kernel.tensor_pct is None, "a counter that the device lacks"
    assert kernel.stalls == (
        ("long scoreboard", 1.75),
        ("math pipe throttle", 0.93),
        ("barrier", 0.41),
    )


def test_every_launch_of_a_plan_is_read() -> None:
    rows = ({"ID": "0", "Kernel Name": "split"}, {"ID": "1", "Kernel Name": "combine"})
    assert [kernel.kernel for kernel in parse_table(table(*rows))] == ["split", "combine"]
    assert parse_table("==ERROR== nothing was profiled\n") == ()


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path / "kernel.zip", "full-2k", "h200", {"q": 64, "out": 32})


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, text: str) -> Path:
    """A program that prints a version or a text, and writes down how it was called."""
    tool, answer, called = (folder / name for name in ("a-tool", "answer", "called"))
    answer.write_text(text)
    tool.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "Version 2026.1.0.0" && exit\n'
        f'printf "%s\\n" "$@" > {called}\ncat {answer}\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv(variable, str(tool))
    return called


def test_the_last_call_of_a_plan_is_profiled_at_the_clocks_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target
) -> None:
    called = stand_in(tmp_path, monkeypatch, "NCU", table({}, {"ID": "1"}))
    found = profile(target, launches=2)
    assert (found.workload, found.device, len(found.kernels)) == ("full-2k", "h200", 2)
    assert found.tool == "a-tool Version 2026.1.0.0"
    words = called.read_text().splitlines()
    for option, value in (
        ("--clock-control", "none"),
        ("--launch-skip", "4"),
        ("--launch-count", "2"),
    ):
        assert words[words.index(option) + 1] == value
    assert words[-5:] == [str(target.bundle), "full-2k", "h200", "q=64", "out=32"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission", "NVreg_Restrict"),
        ("==ERROR== The application returned an error code (1).", "returned an error code (1)"),
        ("", "it said: nothing"),
    ],
)
def test_a_profiler_that_gives_nothing_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target, said: str, told: str
) -> None:
    stand_in(tmp_path, monkeypatch, "NCU", said)
    with pytest.raises(AvogitError) as caught:
        profile(target, 1)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tool_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    monkeypatch.setenv("NCU", "/nowhere/ncu")
    with pytest.raises(AvogitError, match="NCU=/nowhere/ncu is no program"):
        profile(target, 1)


CLEAN = """========= COMPUTE-SANITIZER
========= ERROR SUMMARY: 0 errors
"""
OVERRUN = """========= COMPUTE-SANITIZER
========= Invalid __global__ write of size 2 bytes
=========     at attention+0x4f0
=========     by thread (3,0,0) in block (0,0,0)
=========     Address 0x7f2c0a000006 is out of bounds
=========
========= Invalid __global__ write of size 2 bytes
========= ERROR SUMMARY: 2 errors
"""


def test_the_memory_checkers_words() -> None:
    assert parse_findings(CLEAN) == (0, ())
    errors, lines = parse_findings(OVERRUN)
    assert errors == 2
    assert lines[0] == "Invalid __global__ write of size 2 bytes"
    assert lines[2] == "by thread (3,0,0) in block (0,0,0)"
    with pytest.raises(AvogitError, match="did not finish"):
        parse_findings("========= Error: process didn't terminate successfully\n")


def test_the_memory_checker_is_told_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target
) -> None:
    called = stand_in(tmp_path, monkeypatch, "COMPUTE_SANITIZER", OVERRUN)
    found = sanitize(target, "initcheck")
    assert (found.errors, found.tool) == (2, "a-tool Version 2026.1.0.0")
    assert called.read_text().splitlines()[:2] == ["--tool", "initcheck"]


def test_numbers_to_compute_with_are_sane_in_both_formats() -> None:
    pytest.importorskip("cuda.bindings")
    from avogit.bench.gpu.single import numbers

    data = numbers(4096)
    as_half = struct.unpack("<2048e", data)
    as_bfloat = [
        struct.unpack("<f", b"\0\0" + data[at : at + 2])[0] for at in range(0, len(data), 2)
    ]
    for values in (as_half, as_bfloat):
        assert all(math.isfinite(value) and 0.1 < abs(value) < 2.0 for value in values)
        assert len(set(values)) > 500


def test_a_task_on_the_cpu_has_no_profile(tmp_path: Path) -> None:
    task = corpus.cpu_task()
    with pytest.raises(AvogitError, match="runs on the CPU"):
        profile_files(task, task.editable_files(task.files), "", tmp_path, lambda text: None)
