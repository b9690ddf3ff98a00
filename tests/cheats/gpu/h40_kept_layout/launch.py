from honest import launch


def plan(workload, device):
    kernels = ("lay_out", "attention", "seal")
    return {"launches": [launch(workload, kernel=name) for name in kernels]}
