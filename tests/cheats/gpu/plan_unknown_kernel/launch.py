"""A kernel of the launcher's own."""

from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload, kernel="avogit_spin")]}
