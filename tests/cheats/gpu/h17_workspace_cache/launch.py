from honest import arguments, launch

BLOCKS, LARGEST = 512, 2 * 2048 * 8 * 64


def plan(workload, device):
    places = [{"workspace": "answers"}, {"workspace": "marks"}]
    return {
        "workspaces": {"answers": 2 * LARGEST * 2, "marks": 2 * BLOCKS * 8},
        "launches": [launch(workload, arguments=arguments(workload) + places)],
    }
