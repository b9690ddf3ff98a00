"""Asks for another card."""

from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload, device=1)]}
