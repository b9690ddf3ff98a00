"""What two looks at the multiprocessors' clocks tell. The looks themselves need a GPU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from without_gpu import needs

needs("cuda.bindings")

from avogit.bench.gpu import driver, frequency, work  # noqa: E402
from avogit.bench.gpu.frequency import mean_mhz  # noqa: E402

MS = 1_000_000  # in nanoseconds


def assembler() -> str:
    """CUDA's, as installed, or as Triton brings it."""
    if found := shutil.which("ptxas"):
        return found
    triton = pytest.importorskip("triton", reason="no ptxas: pip install 'avogit[triton]'")
    return str(Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas")


@pytest.mark.parametrize(
    "text",
    [driver._SPIN_PTX, frequency._STAMP_PTX, work.work_ptx()],
    ids=["spin", "stamp", "work"],
)
@pytest.mark.parametrize("target", ["sm_80", "sm_90a", "sm_100a"])
def test_what_runs_beside_candidates_assembles(text: bytes, target: str, tmp_path: Path) -> None:
    source, cubin = tmp_path / "text.ptx", tmp_path / "text.cubin"
    source.write_bytes(text.rstrip(b"\0"))
    command = [assembler(), f"-arch={target}", str(source), "-o", str(cubin)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert cubin.stat().st_size > 0


def test_a_kernel_of_ours_is_given_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def call(function: Callable[..., Any], *arguments: Any) -> str:
        if function is driver.driver.cuLaunchKernel:
            addresses = ctypes.cast(arguments[9], ctypes.POINTER(ctypes.c_void_p))
            place = ctypes.cast(addresses[0], ctypes.POINTER(ctypes.c_uint64))[0]
            sms = ctypes.cast(addresses[1], ctypes.POINTER(ctypes.c_uint32))[0]
            told.extend([*arguments[:9], place, sms])
        return function.__name__

    monkeypatch.setattr(driver, "call", call)
    kernel = driver.OwnKernel(b"its text", b"its name")
    kernel.launch("a stream", 264, ctypes.c_uint64(1 << 40), ctypes.c_uint32(132), threads=256)
    assert told == ["cuModuleGetFunction", 264, 1, 1, 256, 1, 1, 0, "a stream", 1 << 40, 132]


def test_ticks_by_the_timers_time_are_the_clock() -> None:
    begin = [5_000, 7 * MS, 900, 7 * MS + 10]
    end = [5_000 + 1_830_000, 8 * MS, 900 + 1_812_000, 8 * MS + 10]
    assert mean_mhz(begin, end) == pytest.approx((1830 + 1812) / 2)


def test_multiprocessors_that_did_not_look_say_nothing() -> None:
    never, once = [0, 0], [10, 5 * MS]
    assert mean_mhz([*never, 10, 4 * MS], [10, 4 * MS, 10 + 1980000, 5 * MS]) == 1980.0
    assert mean_mhz(never, once) == 0.0
    assert mean_mhz(once, once) == 0.0
    assert mean_mhz([], []) == 0.0
