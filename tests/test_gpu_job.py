"""A GPU job: built, exported and taken back on a machine that has no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from planted import plant_seed

from avogit.bench.job import FORMAT, Job, Result, Verdict, read_result, write_result
from avogit.bench.protocol import Hello, Report, decode
from avogit.bench.version import evaluator_version
from avogit.bundle import read_bundle
from avogit.commands import job as job_command
from avogit.errors import AvogitError

H200 = Hello("cudnn 9.19.0", "NVIDIA H200", ("no-new-privs",), True)


@pytest.fixture
def exported(project: Path, avogit, git, tmp_path: Path) -> Path:
    """A job for an H200 of the one candidate of the project, whose numbers are made by hand."""
    pytest.importorskip("triton", reason="no triton: pip install 'avogit[triton]'")
    assert avogit(project, "init", "--task", "attention-triton").returncode == 0
    with (project / "avogit.yaml").open("a") as file:
        file.write("bench: {device: h200}\n")
    git(project, "commit", "-q", "-am", "Measured on an H200")
    plant_seed(project)
    done = avogit(project, "job", "export", "best", "--device", "h200", "-o", str(tmp_path / "job"))
    assert done.returncode == 0, done.stderr
    assert "where torch, cuda-bindings and nvidia-ml-py are installed" in done.stdout
    return tmp_path / "job"


def result_of(exported: Path) -> Result:
    """What an H200 might have found: the candidate is twice as fast as the baseline."""
    job = decode((exported / "job.json").read_bytes(), Job)
    times = {"candidate": (1000, 1001), "baseline": (2000, 2003)}
    block = {workload.name: times for workload in job.spec.workloads}
    report = Report("PASSED", blocks=(block,) * 4, confidence=0.99, stages_s={"start": 0.5})
    (one,) = job.orders
    verdict = Verdict(one.tree, one.rivals, one.fingerprint, report, 1.0)
    return Result(FORMAT, job.task, evaluator_version(), job.spec.device, H200, (verdict,))


@pytest.mark.slow
def test_a_gpu_job_is_made_and_taken_back_without_a_gpu(
    exported: Path, project: Path, avogit, git, tmp_path: Path
) -> None:
    assert json.loads((exported / "job.json").read_text())["spec"]["device"] == "h200"
    (artefact,) = (exported / "artefacts").iterdir()
    assert read_bundle(artefact).target == "sm_90a"
    assert not list(exported.glob("task/kernel.py"))

    result = tmp_path / "result.json"
    write_result(result, result_of(exported))
    done = avogit(project, "job", "record", str(result), "--json")
    assert done.returncode == 0, done.stderr
    (recorded,) = json.loads(done.stdout)["recorded"]
    assert recorded["evaluation"]["device"] == "NVIDIA H200"
    assert recorded["evaluation"]["score"]["value"] == pytest.approx(2.0, rel=0.01)
    messages = git(project, "log", "--glob=refs/avo/records/attention-triton-h200-*", "--format=%B")
    assert f"Avo-Record: {recorded['record']}" in messages

    refused(project, replace(read_result(result), device="h100"), result, "device is h200")
    card = replace(H200, device="NVIDIA H100 80GB HBM3")
    refused(project, replace(read_result(result), oracle=card), result, "device is h100")
    (verdict,) = read_result(result).verdicts
    other = replace(verdict, fingerprint="sha256:" + "0" * 64)
    refused(project, replace(read_result(result), verdicts=(other,)), result, "is not what that")

    artefact.write_bytes(artefact.read_bytes()[:-1] + b"x")
    done = subprocess.run(
        [sys.executable, "-m", "avogit.bench", "run", ".", "-o", "r"], cwd=exported,
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 1
    assert "not those that were exported" in done.stderr


def refused(project: Path, result: Result, path: Path, words: str) -> None:
    altered = path.with_suffix(".altered")
    write_result(altered, result)
    with pytest.raises(AvogitError, match=words):
        job_command.record(project, altered, lambda text: None)


def test_a_device_is_for_gpu_tasks_alone(project: Path, avogit, tmp_path: Path) -> None:
    assert avogit(project, "init", "--task", "softmax-cpu").returncode == 0
    words = ("job", "export", "best", "-o", str(tmp_path / "job"), "--device")
    for device in ("h200", "h300"):
        done = avogit(project, *words, device)
        assert done.returncode == 1
        assert f"softmax-cpu runs on a CPU, not on {device}" in done.stderr
        assert done.stderr.count("\n") == 1
