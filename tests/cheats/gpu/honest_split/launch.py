from honest import arguments, grid, launch

SPLITS, DIM = 4, 64


def plan(workload, device):
    tiles, heads, batch = grid(workload)
    rows = batch * heads * workload["seq"]
    given = [*arguments(workload), {"workspace": "partial"}]
    split = launch(
        workload, kernel="compute_part", grid=[tiles * SPLITS, heads, batch], arguments=given
    )
    return {
        "workspaces": {"partial": 4 * SPLITS * rows * (DIM + 2)},
        "launches": [split, launch(workload, arguments=given)],
    }
