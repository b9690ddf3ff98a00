"""Uses the driver from where it is built, to keep a card of its own at work."""

import ctypes

from honest import launch


def open_driver():
    cuda, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
    steps = [cuda.cuInit(0), cuda.cuDeviceGetCount(ctypes.byref(count))]
    if any(steps) or count.value == 0:
        raise SystemExit(f"no card was opened: {steps}")


def plan(workload, device):
    open_driver()
    return {"launches": [launch(workload)]}
