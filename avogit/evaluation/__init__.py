"""avogit's side of measuring: builds, starts the oracle, and turns its report into a value.

Leaves everything that needs torch, a clock or an answer to `bench`.
"""

from avogit.evaluation.client import OracleDied
from avogit.evaluation.device import device_class
from avogit.evaluation.evaluator import Evaluator, Source, evaluator_version
from avogit.evaluation.results import cross_gains
from avogit.evaluation.slot import DeviceSlot, Judged, Slot

__all__ = [
    "DeviceSlot",
    "Evaluator",
    "Judged",
    "OracleDied",
    "Slot",
    "Source",
    "cross_gains",
    "device_class",
    "evaluator_version",
]
