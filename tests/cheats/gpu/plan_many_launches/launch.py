"""So many launches that the host is what is timed."""

from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload)] * 1000}
