"""A tensor map that reaches behind the end of the keys."""

from honest import launch


def plan(workload, device):
    beyond = {
        "buffer": "k",
        "dtype": "bf16",
        "shape": [64, 1 << 30],
        "strides": [128],
        "box": [64, 64],
    }
    return {"tensor_maps": {"beyond": beyond}, "launches": [launch(workload)]}
