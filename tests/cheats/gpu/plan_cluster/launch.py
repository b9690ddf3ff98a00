"""A cluster that does not divide the grid."""

from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload, cluster=[7, 5, 3])]}
