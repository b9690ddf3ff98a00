"""Jobs: evaluations that are carried out elsewhere, as a folder that goes and a file that returns.

Owns both formats, packing a job, and carrying one out. Leaves what is to be evaluated, and what
becomes of a result, to avogit's commands. A machine that carries out a job needs Python and
torch; avogit's own files are in the folder. What binds a result to what was exported is a
fingerprint, made on either side from the very files: trusted files, artefacts, settings.

    job/job.json    job/task/    job/artefacts/    job/avogit/
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from avogit.bench.client import OracleDied
from avogit.bench.packing import (
    ARTEFACTS,
    MODULES,
    TASK,
    files_below,
    hash_of_all,
    hashes,
    modules,
    packed,
    unpacked,
)
from avogit.bench.protocol import Hello, Order, ProtocolError, Report, TaskSpec, decode, encode
from avogit.bench.slot import DeviceSlot, Judged, Slot
from avogit.bench.version import evaluator_version
from avogit.errors import AvogitError
from avogit.processor import processor_hash, processor_name

FORMAT = 1
_JOB = "job.json"
_LARGEST_RESULT = 256 << 20
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class JobOrder:
    """One evaluation of a job. `rivals`: the name of each, and the tree that it is."""

    tree: str
    rivals: Mapping[str, str]
    order: Order
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be evaluated. Paths are relative to the job's folder."""

    format: int
    task: str
    evaluator: str
    processor: str  # what the artefacts were compiled for; they may not run elsewhere
    spec: TaskSpec
    orders: tuple[JobOrder, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one order. The fingerprint is of what was really run."""

    tree: str
    rivals: Mapping[str, str]
    fingerprint: str
    report: Report
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a machine found."""

    format: int
    task: str
    evaluator: str
    device: str  # what the job was for; empty: a CPU
    oracle: Hello
    verdicts: tuple[Verdict, ...]


def fingerprint(spec: TaskSpec, order: Order) -> str:
    """`sha256:...` of all that decides a verdict, the files by their contents."""
    trusted = files_below(Path(spec.folder))
    document = {
        "spec": {**dataclasses.asdict(spec), "folder": hash_of_all(hashes(trusted))},
        "order": dataclasses.asdict(packed(order)[0]),
    }
    text = json.dumps(document, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def export_job(
    folder: Path, task: str, spec: TaskSpec, orders: Mapping[str, tuple[Mapping[str, str], Order]]
) -> Job:
    """Write a job into a new folder. `orders`: tree -> (rivals, order), with paths of here."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise AvogitError(f"{folder} exists already: name a new folder for the job") from error
    _copy(files_below(Path(spec.folder)), folder / TASK)
    _copy(modules(), folder / MODULES)
    job = Job(
        format=FORMAT,
        task=task,
        evaluator=evaluator_version(),
        processor=processor_hash(),
        spec=replace(spec, folder=TASK),
        orders=tuple(
            JobOrder(tree, rivals, _pack(order, folder), fingerprint(spec, order))
            for tree, (rivals, order) in orders.items()
        ),
    )
    (folder / _JOB).write_bytes(encode(job))
    return job


def run_job(folder: Path, progress: Say) -> Result:
    """Carry out a job on this machine."""
    job = _read_job(folder)
    spec = replace(job.spec, folder=str((folder / job.spec.folder).resolve()))
    slot = DeviceSlot(job.task, lambda: spec)
    judged: list[Judged] = []
    try:
        for number, one in enumerate(job.orders, 1):
            progress(f"{one.tree[:10]}, {number} of {len(job.orders)}")
            judged.append(_carry_out(folder, one, spec, slot, progress))
    finally:
        slot.close()
    verdicts = tuple(
        Verdict(one.tree, one.rivals, one.fingerprint, found.report, found.seconds)
        for one, found in zip(job.orders, judged, strict=True)
    )
    return Result(
        format=FORMAT,
        task=job.task,
        evaluator=evaluator_version(),
        device=spec.device,
        oracle=judged[-1].oracle,
        verdicts=verdicts,
    )


def write_result(path: Path, result: Result) -> None:
    """Write the file that goes back."""
    path.write_bytes(encode(result))


def read_result(path: Path) -> Result:
    """The result that a machine wrote."""
    try:
        if path.stat().st_size > _LARGEST_RESULT:
            raise AvogitError(f"{path} is too large for a result")
        result = decode(path.read_bytes(), Result)
    except OSError as error:
        raise AvogitError(f"cannot read {path}: {error.strerror}") from error
    except (ProtocolError, RecursionError) as error:
        raise AvogitError(f"{path} is no result of a job: {error}") from error
    assert isinstance(result, Result)
    if result.format != FORMAT:
        raise AvogitError(f"{path} has format {result.format}, this avogit reads {FORMAT}")
    return result


def _carry_out(folder: Path, one: JobOrder, spec: TaskSpec, slot: Slot, progress: Say) -> Judged:
    order = unpacked(folder, one.order)
    if fingerprint(spec, order) != one.fingerprint:
        raise AvogitError(f"{folder}: its files are not those that were exported for {one.tree}")
    try:
        return slot.judge(order, progress)
    except OracleDied as death:
        raise AvogitError(f"measuring {one.tree}: the oracle ended ({death})") from death


def _read_job(folder: Path) -> Job:
    try:
        job = decode((folder / _JOB).read_bytes(), Job)
    except OSError as error:
        raise AvogitError(f"cannot read a job in {folder}: {error.strerror}") from error
    except (ProtocolError, RecursionError) as error:
        raise AvogitError(f"{folder / _JOB} is no job: {error}") from error
    assert isinstance(job, Job)
    if not job.orders:
        raise AvogitError(f"{folder} names no candidate: export it again")
    if job.format != FORMAT:
        raise AvogitError(f"{folder} has format {job.format}, this avogit reads {FORMAT}")
    if job.evaluator != evaluator_version():
        raise AvogitError(f"{folder} is for another version of avogit: run the one inside it")
    if not job.spec.device and job.processor != processor_hash():
        raise AvogitError(
            f"{folder} was compiled for another kind of processor than this {processor_name()}:"
            " export the job on a machine of this kind"
        )
    return job


def _pack(order: Order, folder: Path) -> Order:
    there, artefacts = packed(order)
    _copy(artefacts, folder / ARTEFACTS)
    return there


def _copy(files: Mapping[str, Path], folder: Path) -> None:
    for name, path in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
