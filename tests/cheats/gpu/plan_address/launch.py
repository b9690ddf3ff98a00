"""A pointer to memory that it was not given, as a number."""

from honest import arguments, launch


def plan(workload, device):
    given = arguments(workload)
    given[0] = {"i64": 0x7F00_0000_0000}
    return {"launches": [launch(workload, arguments=given)]}
