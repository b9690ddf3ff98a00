"""A place behind the end of a buffer."""

from honest import arguments, launch


def plan(workload, device):
    given = arguments(workload)
    given[3] = {"buffer": "out", "offset": 1 << 30}
    return {"launches": [launch(workload, arguments=given)]}
