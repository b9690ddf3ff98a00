from honest import grid, launch


def plan(workload, device):
    tiles, heads, batch = grid(workload)
    return {
        "launches": [launch(workload, grid=[tiles + tiles % 2, heads, batch], cluster=[2, 1, 1])]
    }
