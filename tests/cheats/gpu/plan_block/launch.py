"""A block of more threads than there are."""

from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload, block=[2048, 1, 1])]}
