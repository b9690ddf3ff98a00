"""The baseline's process: the same "go" and "done" as a candidate's, around trusted code.

Owns running `problem.baseline` on the shared inputs. Its result is copied to its buffer after
"done", outside the timed region, as a candidate's result lies there already.
"""

from __future__ import annotations

import mmap
import os
import warnings
from collections.abc import Callable, Mapping

import torch

from avogit.bench import buffers
from avogit.bench.problem import Problem
from avogit.bench.protocol import COPIED, READY, TOKEN, Case, Region, Spawn
from avogit.processes import die_with_parent


def run(problem: Problem, spawn: Spawn, fds: Mapping[str, int]) -> None:
    """Be one baseline runner. Ends when the oracle closes its end, or kills it."""
    die_with_parent()
    torch.set_num_threads(spawn.threads)
    inputs = buffers.attach(fds["inputs"], spawn.input_bytes, writable=False)
    output = buffers.attach(fds["output"], spawn.output_bytes, writable=True)
    os.dup2(fds["words"], 2)  # a traceback is what the oracle is told when this fails
    for name in ("inputs", "output", "words"):
        os.close(fds[name])
    calls = [_bind(problem, case, inputs) for case in spawn.cases]
    outs = [tensor(output, case.out) for case in spawn.cases]
    os.sched_setaffinity(0, spawn.cores)  # not sooner: it starts beside the others
    os.write(fds["done"], READY)
    while True:
        token = os.read(fds["go"], TOKEN.size)
        if len(token) < TOKEN.size:
            os._exit(0)
        index, _ = TOKEN.unpack(token)
        result = calls[index]()
        os.write(fds["done"], token)
        outs[index].copy_(result)
        os.write(fds["done"], COPIED)


def tensor(memory: mmap.mmap, region: Region) -> torch.Tensor:
    """A float32 view of a region of shared memory."""
    count = buffers.nbytes(region) // 4
    with warnings.catch_warnings():  # torch warns of read-only memory; nobody here writes to it
        warnings.simplefilter("ignore")
        flat = torch.frombuffer(memory, dtype=torch.float32, count=count, offset=region.offset)
    return flat.view(region.shape)


def _bind(problem: Problem, case: Case, inputs: mmap.mmap) -> Callable[[], torch.Tensor]:
    return problem.baseline(
        dict(case.params), {region.name: tensor(inputs, region) for region in case.inputs}
    )
