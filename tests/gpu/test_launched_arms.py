"""What the end of a launcher, or what its driver reports, says of the kernel that it launched."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
from without_gpu import needs, within

needs("torch", "cuda.bindings")

from avogit.bench.arms import EnvironmentBroken, KernelFailed  # noqa: E402
from avogit.bench.gpu.arms import LaunchedArm, Ran, bundle_of  # noqa: E402
from avogit.bench.gpu.frames import Arena, LaunchCase, Load, Place  # noqa: E402
from avogit.bench.gpu.pool import Launcher, LauncherGone  # noqa: E402

LOAD = Load(
    "/a.bundle",
    "h200",
    {"output": Arena("00" * 64, 4096)},
    (LaunchCase("w", ({"out": Place("output", 0, 4096)},)),),
    7,
)
Make = Callable[..., Launcher]


def arm_of(launcher: Launcher) -> LaunchedArm:
    return LaunchedArm("candidate", launcher, None)  # type: ignore[arg-type]  # no memory is read


def loading(launcher: Launcher) -> None:
    arm = arm_of(launcher)
    arm.begin_load(LOAD)
    arm.loaded()


def running(launcher: Launcher, launches: int = 1, timeout_s: float = 20.0) -> Ran:
    return arm_of(launcher).run(0, 0, launches, 1000, timeout_s)


def verdict(of: Callable[[], object]) -> str:
    """What the candidate is told."""
    with pytest.raises(KernelFailed) as failure:
        of()
    assert failure.value.arm == "candidate"
    return f"{failure.value.finding.verdict} {failure.value.finding.reason}"


def blame(of: Callable[[], object]) -> str:
    """Why no measurement is possible, where the candidate is not to blame."""
    with pytest.raises(EnvironmentBroken) as broken:
        of()
    return broken.value.reason


def dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_all_is_well(launcher: Make) -> None:
    one = launcher("ok")
    loading(one)
    loading(one)  # in the next block it serves again
    ran = running(one, launches=3)
    assert ran == Ran(1.0, 2.0, 30.0, 1800.0)
    assert ran.total_us == 32.0
    assert not ran.waited


def test_a_spin_that_ended_before_all_was_queued_is_seen() -> None:
    assert Ran(queued_us=3.0, hold_us=2.0, launches_us=1.0).waited
    assert not Ran(queued_us=2.0, hold_us=2.0, launches_us=1.0).waited


@pytest.mark.parametrize(
    ("code", "detail", "want"),
    [
        ("plan-unknown-kernel", "no such kernel", "COMPILE_ERROR plan-unknown-kernel"),
        ("CUDA_ERROR_OUT_OF_MEMORY", "cuMemAlloc", "RUNTIME_ERROR out-of-memory"),
        ("CUDA_ERROR_NO_BINARY_FOR_GPU", "cuModuleLoadData", "COMPILE_ERROR load-failed"),
        ("CUDA_ERROR_NOT_FOUND", "cuModuleGetFunction", "COMPILE_ERROR load-failed"),
        ("CUDA_ERROR_INVALID_VALUE", "cuTensorMapEncodeTiled", "COMPILE_ERROR load-failed"),
    ],
)
def test_what_a_load_says_of_the_candidate(
    launcher: Make, code: str, detail: str, want: str
) -> None:
    one = launcher(f"broken:{code}:{detail}")
    assert verdict(lambda: loading(one)) == want


@pytest.mark.parametrize("detail", ["cuIpcOpenMemHandle", "cuInit", "cuDeviceGet", "cuCtxSetLimit"])
def test_what_a_load_says_of_the_machine(launcher: Make, detail: str) -> None:
    one = launcher(f"broken:CUDA_ERROR_UNKNOWN:{detail}")
    assert blame(lambda: loading(one)) == "no-launcher"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("CUDA_ERROR_ILLEGAL_ADDRESS", "crashed"),
        ("CUDA_ERROR_ILLEGAL_INSTRUCTION", "crashed"),
        ("CUDA_ERROR_MISALIGNED_ADDRESS", "crashed"),
        ("CUDA_ERROR_LAUNCH_FAILED", "crashed"),
        ("CUDA_ERROR_LAUNCH_TIMEOUT", "crashed"),
        ("CUDA_ERROR_HARDWARE_STACK_ERROR", "crashed"),
        ("CUDA_ERROR_INVALID_ADDRESS_SPACE", "crashed"),
        ("CUDA_ERROR_INVALID_PC", "crashed"),
        ("CUDA_ERROR_ASSERT", "crashed"),
        ("CUDA_ERROR_TENSOR_MEMORY_LEAK", "crashed"),
        ("CUDA_ERROR_INVALID_VALUE", "launch-failed"),
        ("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "launch-failed"),
        ("CUDA_ERROR_INVALID_CLUSTER_SIZE", "launch-failed"),
    ],
)
def test_what_the_driver_says_of_a_launch(launcher: Make, code: str, reason: str) -> None:
    one = launcher("ok", f"broken:{code}:cuStreamSynchronize")
    loading(one)
    with pytest.raises(KernelFailed) as failure:
        running(one)
    finding = failure.value.finding
    assert (finding.verdict.value, finding.reason) == ("RUNTIME_ERROR", reason)
    assert finding.detail == f"{code} from cuStreamSynchronize"


@pytest.mark.parametrize("end", ["exit", "nonsense", "nonce"])
def test_a_launcher_that_ends_or_is_out_of_its_mind_crashed(launcher: Make, end: str) -> None:
    one = launcher(end)
    assert verdict(lambda: running(one)) == "RUNTIME_ERROR crashed"


@pytest.mark.parametrize("end", ["exit", "nonsense"])
def test_one_that_does_so_while_it_loads_says_nothing_of_the_candidate(
    launcher: Make, end: str
) -> None:
    one = launcher(end)
    assert blame(lambda: loading(one)) == "no-launcher"


def test_a_launcher_that_died_meanwhile(launcher: Make) -> None:
    """The machine may end one that waits for its next block, or one that is at work."""
    waiting = launcher("ok")
    loading(waiting)
    os.kill(waiting.pid, signal.SIGKILL)
    assert within(10, lambda: dead(waiting.pid))
    assert blame(lambda: loading(waiting)) == "no-launcher"
    assert verdict(lambda: running(waiting)) == "RUNTIME_ERROR crashed"
    at_work = launcher("silence")
    os.kill(at_work.pid, signal.SIGKILL)
    assert verdict(lambda: running(at_work)) == "RUNTIME_ERROR crashed"


def test_a_launch_without_end_is_ended(launcher: Make) -> None:
    one = launcher("silence")
    begun = time.monotonic()
    assert verdict(lambda: running(one, timeout_s=0.2)) == "TIMEOUT call-timeout"
    assert 0.2 <= time.monotonic() - begun < 5
    assert within(10, lambda: dead(one.pid))
    one.kill()  # as whoever ends the evaluation does: it is gone, and that is well


def test_a_load_without_end(launcher: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avogit.bench.gpu.pool.START_TIMEOUT_S", 0.2)
    one = launcher("silence")
    assert verdict(lambda: loading(one)) == "TIMEOUT load-timeout"


@pytest.mark.parametrize("us", ["0", "-5", "nan", "inf"])
def test_times_that_no_launch_can_take_are_forged(launcher: Make, us: str) -> None:
    """Nothing that follows could take the logarithm of these."""
    one = launcher(f"time:{us}")
    assert verdict(lambda: running(one)) == "REWARD_HACK clock-mismatch"


@pytest.mark.parametrize(
    "code",
    ["CUDA_ERROR_ECC_UNCORRECTABLE", "CUDA_ERROR_CONTAINED", "CUDA_ERROR_MPS_CONNECTION_FAILED"],
)
def test_no_kernel_is_to_blame_for_a_card_that_fails(launcher: Make, code: str) -> None:
    one = launcher(f"broken:{code}:cuStreamSynchronize")
    assert blame(lambda: running(one)) == "gpu-failed"
    assert blame(lambda: loading(launcher(f"broken:{code}:cuModuleLoadData"))) == "gpu-failed"


def test_a_launcher_that_gets_no_context_says_why(launcher: Make) -> None:
    with pytest.raises(LauncherGone, match="OUT_OF_MEMORY from cuDevicePrimaryCtxRetain"):
        launcher("unborn:CUDA_ERROR_OUT_OF_MEMORY:cuDevicePrimaryCtxRetain")


def test_an_answer_to_another_order_is_no_answer(launcher: Make) -> None:
    with pytest.raises(LauncherGone, match="another order"):
        launcher("nonce").go(0, 0, 1, 1000, 20.0)


def test_arms_without_a_bundle_are_called_beside_the_oracle() -> None:
    assert bundle_of({"candidate": "/a", "baseline": "", "rival-0": "/b", "flash2": ""}) == {
        "candidate": "/a",
        "rival-0": "/b",
    }
