"""Making a card ready for an oracle, and seeing that it is what was promised."""

from __future__ import annotations

import torch

from avogit.bench.gpu import nvml
from avogit.bench.problem import ProblemError
from avogit.devices import device_called


def open_card(capability: int, name: str) -> nvml.Gpu:
    """The card that torch computes on. `capability`: its architecture's, ten times."""
    if not torch.cuda.is_available():
        raise ProblemError(f"measuring on {name}: torch finds no GPU here (`avogit doctor`)")
    torch.cuda.init()  # type: ignore[no-untyped-call]
    major, minor = torch.cuda.get_device_capability()
    if 10 * major + minor != capability:
        found = torch.cuda.get_device_name()
        raise ProblemError(f"measuring on {name}: the GPU here is {found}, of another architecture")
    torch.zeros(1, device="cuda")  # makes the context, which the driver's calls then use
    uuid = str(torch.cuda.get_device_properties(0).uuid)
    gpus = {gpu.uuid.removeprefix("GPU-"): gpu for gpu in nvml.gpus()}
    gpu = gpus[uuid.removeprefix("GPU-")]
    if device_called(gpu.name).name != name:
        raise ProblemError(f"measuring on {name}: the GPU here is {gpu.name}")
    return gpu


def scrub_bytes() -> int:
    """Enough to leave nothing else in the second-level cache."""
    return max(256 << 20, 4 * int(torch.cuda.get_device_properties(0).L2_cache_size))
