from honest import arguments, grid, launch

SPLITS, DIM = 4, 64


def plan(workload, device):
    tiles, heads, batch = grid(workload)
    given = [*arguments(workload), {"workspace": "sums"}]
    split = [tiles * SPLITS, heads, batch]
    return {
        "workspaces": {"sums": 4 * batch * heads * workload["seq"] * (DIM + 2)},
        "launches": [
            launch(workload, kernel="clear", arguments=given),
            launch(workload, kernel="find_tops", grid=split, arguments=given),
            launch(workload, kernel="add", grid=split, arguments=given),
            launch(workload, arguments=given),
        ],
    }
