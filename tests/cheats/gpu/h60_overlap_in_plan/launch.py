"""Asks that launches overlap, and that the last one's end is not waited for."""

from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload, programmatic=True)]}
