"""Launches nothing."""


def plan(workload, device):
    return {"launches": []}
