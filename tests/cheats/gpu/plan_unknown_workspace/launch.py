"""A workspace that was never declared."""

from honest import arguments, launch


def plan(workload, device):
    given = arguments(workload)
    given[0] = {"workspace": "kept"}
    return {"launches": [launch(workload, arguments=given)]}
