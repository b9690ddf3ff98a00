"""More shared memory than a block can have."""

from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload, shared_bytes=device["shared_bytes"] + 1)]}
