from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload), launch(workload, kernel="erase")]}
