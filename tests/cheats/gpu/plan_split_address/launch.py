from honest import arguments, launch


def plan(workload, device):
    halves = [{"u32": 0}, {"u32": 0x7E00}]
    return {"launches": [launch(workload, arguments=arguments(workload) + halves)]}
