from honest import launch


def plan(workload, device):
    return {"launches": [launch(workload, shared_bytes=96 * 1024)]}
