"""OpenEvolve and ShinkaEvolve on the stand-in's problem, in an environment of their own.

Owns how each is installed, told its task, and timed. Both get the same evaluator: it builds with
the compiler and flags that avogit is given, then holds the same device for the same time.
"""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

from stand_in import KERNEL

PEERS = {"openevolve": "0.4.0", "shinka-evolve": "0.0.7"}
_INSTALL_TIMEOUT_S, _RUN_TIMEOUT_S = 1200, 600
_INITIAL = f"// EVOLVE-BLOCK-START\n{KERNEL}// EVOLVE-BLOCK-END\n"

_EVALUATOR = """
import argparse, fcntl, json, os, pathlib, subprocess, tempfile, time

def evaluate(program_path):
    with tempfile.TemporaryDirectory() as work:
        words = [os.environ["CXX"], "-shared", "-fPIC", "-O2", "-march=native", "-std=c++17",
                 "-x", "c++", program_path, "-o", work + "/kernel.so"]
        subprocess.run(words, check=True, capture_output=True)
    with open(os.environ["STAND_IN_DEVICE"], "a+") as device:
        fcntl.flock(device, fcntl.LOCK_EX)
        time.sleep(float(os.environ["STAND_IN_S"]))
        device.write(f"{time.monotonic()}\\n")
    return {"combined_score": 0.98}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path")
    parser.add_argument("--results_dir")
    chosen = parser.parse_args()
    score = evaluate(chosen.program_path)
    folder = pathlib.Path(chosen.results_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(score))
    (folder / "correct.json").write_text(json.dumps({"correct": True, "error": ""}))
"""
_SHINKA = """
import json, sys
from shinka.core.async_runner import ShinkaEvolveRunner
from shinka.core.config import EvolutionConfig
from shinka.database import DatabaseConfig
from shinka.launch import LocalJobConfig

told = json.loads(sys.argv[1])
if __name__ == "__main__":
    ShinkaEvolveRunner(
        evo_config=EvolutionConfig(
            task_sys_msg="Make the kernel faster.", patch_types=["full"], patch_type_probs=[1.0],
            num_generations=told["candidates"], language="cpp", llm_models=[told["model"]],
            llm_dynamic_selection=None, meta_rec_interval=None, embedding_model=None,
            init_program_path="initial.cpp", results_dir="results",
        ),
        job_config=LocalJobConfig(eval_program_path="evaluate.py"),
        db_config=DatabaseConfig(db_path="evolution.sqlite"),
        verbose=False, max_evaluation_jobs=told["workers"], max_proposal_jobs=told["workers"],
    ).run()
"""


class PeerFailed(Exception):
    """It could not be installed or run; the text says what was tried."""


def install(folder: Path) -> Path:
    """An environment with both, made where there is none; gives its folder of programs."""
    if not (folder / "bin").is_dir():
        venv.create(folder, with_pip=True)
    wanted = [f"{name}=={version}" for name, version in PEERS.items()]
    _run([str(folder / "bin/pip"), "install", "-q", *wanted], folder, {}, _INSTALL_TIMEOUT_S)
    return folder / "bin"


def run_peer(
    name: str, programs: Path, folder: Path, url: str, workers: int, candidates: int,
    measure_s: float,
) -> list[float]:  # fmt: skip
    """When each of its measurements ended, in seconds."""
    folder.mkdir()
    (folder / "initial.cpp").write_text(_INITIAL, encoding="utf-8")
    (folder / "evaluate.py").write_text(_EVALUATOR, encoding="utf-8")
    device = folder / "device"
    environ = {"STAND_IN_DEVICE": str(device), "STAND_IN_S": str(measure_s)}
    words = _COMMANDS[name](programs, folder, url, workers, candidates)
    _run(words, folder, environ, _RUN_TIMEOUT_S)
    ends_s = sorted(float(line) for line in device.read_text().split()) if device.exists() else []
    if len(ends_s) < candidates // 2:
        raise PeerFailed(f"{' '.join(words)[:200]}: only {len(ends_s)} measurements")
    return ends_s


def _openevolve(programs: Path, folder: Path, url: str, workers: int, candidates: int) -> list[str]:
    config = {
        "max_iterations": candidates,
        "diff_based_evolution": False,
        "language": "cpp",
        "file_suffix": ".cpp",
        "llm": {"api_base": url, "api_key": "none", "models": [{"name": "scripted"}]},
        "evaluator": {"parallel_evaluations": workers, "cascade_evaluation": False},
    }
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")  # YAML holds JSON
    words = [str(programs / "openevolve-run"), "initial.cpp", "evaluate.py", "-c", "config.yaml"]
    return [*words, "-i", str(candidates)]


def _shinka(programs: Path, folder: Path, url: str, workers: int, candidates: int) -> list[str]:
    (folder / "run.py").write_text(_SHINKA, encoding="utf-8")
    told = {"model": f"local/scripted@{url}", "workers": workers, "candidates": candidates}
    return [str(programs / "python"), "run.py", json.dumps(told)]


_COMMANDS: dict[str, Callable[[Path, Path, str, int, int], list[str]]] = {
    "openevolve": _openevolve,
    "shinka-evolve": _shinka,
}


def _run(words: list[str], cwd: Path, environ: dict[str, str], timeout_s: float) -> None:
    """Run to the end; its last words where it fails."""
    env = {**os.environ, "SHINKA_PRICING_MODE": "offline", **environ}
    try:
        done = subprocess.run(
            words, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PeerFailed(f"`{words[0]}` did not end within {timeout_s:.0f} s") from error
    if done.returncode != 0:
        raise PeerFailed(f"`{' '.join(words)[:200]}` ended with {done.returncode}: "
                         f"{(done.stderr or done.stdout).strip()[-1500:]}")  # fmt: skip
