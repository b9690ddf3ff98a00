"""`Evaluator.evaluate` with real compilers, real processes, and a small task."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from avogit.bench.times import log_ratios
from avogit.errors import AvogitError
from avogit.evaluation import Evaluator, Source, device_class, evaluator_version
from avogit.evaluation.evaluator import write_trusted
from avogit.records import Evaluation, Verdict
from avogit.statistics import score
from avogit.task import Task

SIGNATURE = b'extern "C" void polynomial(const float* x, float* out, long rows, long columns) '
LOOP = b"for (long i = 0; i < rows * columns; ++i) out[i] = x[i] * (1.5f - 0.5f * x[i]);"


def kernel(body: bytes, above: bytes = b"") -> bytes:
    return above + SIGNATURE + b"{\n" + body + b"\n}\n"


def quick(evaluator: Evaluator, candidate: Source, rivals: dict[str, Source]) -> Evaluation:
    """A short evaluation."""
    return timed(evaluator, candidate, rivals, sample="quick", budget_s=1.5)


def timed(
    evaluator: Evaluator,
    candidate: Source,
    rivals: dict[str, Source],
    *,
    sample: str,
    budget_s: float,
) -> Evaluation:
    """A machine too busy to time gets another go."""
    for _ in range(3):
        found = evaluator.evaluate(candidate, rivals, sample=sample, budget_s=budget_s)
        if found.reason not in ("too-noisy", "out-of-time"):
            break
    return found


def test_a_sound_kernel_passes_with_everything_that_a_record_needs(evaluator, source, seed) -> None:
    rivals = {"incumbent": source(seed), "parent": source(seed)}
    found = quick(evaluator, source(kernel(LOOP)), rivals)
    assert found.verdict is Verdict.PASSED, found.detail
    assert set(found.versus) == {"baseline", "incumbent", "parent"}
    assert found.versus["incumbent"] == found.versus["parent"]
    assert found.versus["incumbent"].value > 1.5  # eight passes against one
    assert [w.workload for w in found.workloads] == ["small", "large"]
    assert set(found.workloads[0].latency_us) == {"candidate", "baseline", "incumbent", "parent"}
    assert set(found.stages_s) == {"build", "start", "correctness", "timing"}
    assert found.certified
    assert found.baseline.startswith("torch 2")
    assert found.evaluator == evaluator_version()
    assert found.blocks == 3


def test_the_score_can_be_computed_again_from_the_raw_times(evaluator, source, seed) -> None:
    found = quick(evaluator, source(seed), {})
    blocks = [block["workloads"] for block in found.raw["blocks"]]
    assert score(log_ratios(blocks, "baseline"), found.raw["confidence"]) == found.score
    assert found.raw["correctness"]["checked_calls"] > 6
    assert found.raw["correctness"]["worst_row_rmse"] < 1e-5
    assert set(found.raw["seeds"]) == {"key", "commitment"}
    assert 0 < found.raw["overhead_us"] < 50_000


def test_a_deciding_sample_stops_when_it_is_decided(evaluator, source, seed) -> None:
    slow = seed.replace(b"PASSES = 8", b"PASSES = 40")
    found = evaluator.evaluate(
        source(slow), {"incumbent": source(seed)}, sample="deciding", budget_s=6
    )
    assert found.verdict is Verdict.PASSED, found.detail
    assert found.versus["incumbent"].high < 1
    assert found.blocks < 12
    assert found.raw["confidence"] > 0.99  # shared out between the looks


def test_a_fresh_sample_uses_its_budget(evaluator, source, seed) -> None:
    started = time.monotonic()
    found = evaluator.evaluate(source(seed), {}, sample="fresh", budget_s=2)
    assert found.blocks >= 4
    assert found.raw["confidence"] == 0.99
    assert 1 < time.monotonic() - started < 8


def test_a_source_that_does_not_compile_is_a_value(evaluator, source) -> None:
    found = evaluator.evaluate(source(b"int nonsense = ;"), {}, budget_s=1)
    assert (found.verdict, found.reason) == (Verdict.COMPILE_ERROR, "compile-error")
    assert "kernel.cpp:1:16: error" in found.detail


def test_an_entry_that_is_not_there_is_a_value(evaluator, source) -> None:
    found = evaluator.evaluate(source(b"int other;"), {}, budget_s=1)
    assert (found.verdict, found.reason) == (Verdict.COMPILE_ERROR, "missing-entry")


@pytest.mark.parametrize(
    "name", ["problem.py", "../kernel.cpp", "/etc/passwd", "a/../../b", "other.cpp", "a\nb"]
)
def test_files_that_are_not_editable_are_refused(evaluator, source, seed, name) -> None:
    files = {"kernel.cpp": seed, name: b"x"}
    found = evaluator.evaluate(Source("0" * 40, files), {}, budget_s=1)
    assert (found.verdict, found.reason) == (Verdict.REFUSED, "not-editable")


def test_a_tree_without_its_source_is_refused(evaluator) -> None:
    found = evaluator.evaluate(Source("0" * 40, {}), {}, budget_s=1)
    assert (found.verdict, found.detail) == (Verdict.REFUSED, "kernel.cpp is missing")


def test_a_rival_that_fails_is_no_verdict_on_the_candidate(evaluator, source, seed) -> None:
    wrong = kernel(b"out[0] = 0;")
    for rival, detail in ((b"nonsense", "does not build"), (wrong, "untouched-output")):
        found = evaluator.evaluate(
            source(seed), {"incumbent": source(rival)}, sample="quick", budget_s=1.5
        )
        assert (found.verdict, found.reason) == (Verdict.UNMEASURED, "rival-failed")
        assert detail in found.detail


def test_a_kernel_that_nearly_never_ends_costs_little(evaluator, source) -> None:
    started = time.monotonic()
    loop = b"for (volatile long i = 0; i < 3000000000; i = i + 1) {}" + LOOP
    found = evaluator.evaluate(source(kernel(loop)), {}, sample="deciding", budget_s=2)
    assert found.verdict is Verdict.TIMEOUT
    assert found.reason in ("call-timeout", "too-slow")
    assert time.monotonic() - started < 8


def test_a_hopeless_kernel_costs_no_more_than_the_budget(evaluator, source) -> None:
    """The baseline's calls of microseconds may be disturbed in the two or three that there are."""
    slower = b"for (volatile long i = 0; i < rows * 3000000; i = i + 1) {}" + LOOP
    found = timed(evaluator, source(kernel(slower)), {}, sample="deciding", budget_s=2)
    # Neither its build nor the oracle's start is of the budget: a quarter more, and a last call.
    assert found.stages_s["correctness"] + found.stages_s["timing"] < 2 * 1.25 + 0.5
    assert found.verdict in (Verdict.PASSED, Verdict.TIMEOUT)
    assert found.verdict is Verdict.TIMEOUT or found.blocks <= 3


def test_trusted_files_are_the_tasks_and_not_those_that_lie_about(
    task, tmp_path: Path, state_dir
) -> None:
    folder = write_trusted(task, tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == ["problem.py", "task.yaml"]
    assert folder.name == task.version.removeprefix("sha256:")
    (folder / "problem.py").write_text("raise SystemExit('mine now')")
    assert write_trusted(task, tmp_path) == folder
    assert (folder / "problem.py").read_bytes() == task.files["problem.py"]


def test_modules_that_lie_about_shadow_nothing(
    task: Task, state_dir: Path, source, seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch.py", "sitecustomize.py", "json.py", "problem.py"):
        (tmp_path / name).write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    with Evaluator(task, state_dir=state_dir, confidence=0.99) as starting:
        assert quick(starting, source(seed), {}).verdict is Verdict.PASSED


def test_an_oracle_that_is_killed_is_started_again(evaluator, source, seed, descendants) -> None:
    quick(evaluator, source(seed), {})
    for pid in descendants(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    assert quick(evaluator, source(seed), {}).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"raise RuntimeError('no such luck')", "no such luck"),
        (b"import os; os._exit(3)", "ended twice"),
        (b"del baseline", "does not define baseline"),
    ],
)
def test_a_task_whose_own_code_fails_is_one_line(task, source, seed, state_dir, line, word) -> None:
    broken = {**task.files, "problem.py": task.files["problem.py"] + b"\n" + line + b"\n"}
    with (
        Evaluator(replace(task, files=broken), state_dir=state_dir, confidence=0.99) as evaluator,
        pytest.raises(AvogitError, match=word) as caught,
    ):
        evaluator.evaluate(source(seed), {}, budget_s=1)
    assert "\n" not in str(caught.value)


def test_an_unknown_language_is_one_line(task, state_dir) -> None:
    other = replace(task, build=replace(task.build, language="cobol"))
    with pytest.raises(AvogitError, match="no builder for language `cobol`"):
        Evaluator(other, state_dir=state_dir, confidence=0.99)


def test_the_device_is_waited_for(evaluator, source, seed, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "avogit").mkdir()
    path = tmp_path / "avogit" / "device-cpu.lock"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
            "print('held', flush=True); time.sleep(1)",
            str(path),
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    said: list[str] = []
    evaluator._progress = said.append
    found = quick(evaluator, source(seed), {})
    holder.communicate()
    assert found.verdict is Verdict.PASSED
    assert "waiting: another measurement has the device" in said
    assert "building" in said
    assert any(text.startswith("checking 1/") for text in said)
    assert any(text.startswith("timing block 1/") for text in said)
    with path.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # and let go of


def test_the_device_has_a_name_and_a_class(evaluator, task) -> None:
    assert evaluator.device()
    slug = device_class(task)
    assert slug == slug.strip("-").lower()
    assert slug.replace("-", "").isalnum()
    assert device_class(replace(task, threads=4)) != slug


HANG = kernel(b"for (volatile int i = 0;; i = i + 1) {}")


@pytest.fixture
def hanging(tmp_path: Path, state_dir: Path):
    """An avogit of its own that measures a kernel which never ends; gives its process."""
    script = f"""
    from pathlib import Path
    from avogit.evaluation import Evaluator, Source
    from avogit.resources import folder_files
    from avogit.task import parse_task
    files = folder_files(Path({str(Path(__file__).parent.parent / "tasks" / "polynomial")!r}))
    task = parse_task("p", files)
    said = lambda text: print(text, flush=True)
    with Evaluator(task, state_dir=Path({str(state_dir)!r}), confidence=0.99, progress=said) as e:
        e.evaluate(Source("0" * 40, {{"kernel.cpp": {HANG!r}}}), {{}}, budget_s=60)
    """
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("checking"):
            break
    time.sleep(0.2)
    yield process
    process.kill()
    process.communicate()


def test_no_process_outlives_a_killed_avogit(hanging, descendants, gone) -> None:
    below = descendants(hanging.pid)
    assert len(below) >= 5  # oracle, two zygotes, a runner and its parent
    hanging.kill()
    hanging.wait()
    assert gone(below)


def test_no_runner_outlives_a_killed_oracle(hanging, descendants, gone) -> None:
    oracle = max(descendants(hanging.pid), key=lambda pid: len(descendants(pid)))
    below = descendants(oracle)
    assert len(below) >= 4
    os.kill(oracle, signal.SIGKILL)
    assert gone(below)
