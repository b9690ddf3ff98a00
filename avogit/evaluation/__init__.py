"""avogit's side of measuring: builds, starts the oracle, and turns its report into a value.

Leaves everything that needs torch, a clock or an answer to `bench`.
"""

from avogit.bench.client import OracleDied
from avogit.bench.slot import DeviceSlot, Judged, Slot
from avogit.bench.ssh import Reach, SshSlot, ask_host
from avogit.bench.version import evaluator_version
from avogit.evaluation.device import device_class
from avogit.evaluation.evaluator import Evaluator, Source
from avogit.evaluation.results import cross_gains

__all__ = [
    "DeviceSlot",
    "Evaluator",
    "Judged",
    "OracleDied",
    "Reach",
    "Slot",
    "Source",
    "SshSlot",
    "ask_host",
    "cross_gains",
    "device_class",
    "evaluator_version",
]
