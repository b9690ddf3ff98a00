"""More memory than is given, so that there is none left for the others."""

from honest import launch


def plan(workload, device):
    return {"workspaces": {"hoard": 3 << 30, "more": 3 << 30}, "launches": [launch(workload)]}
