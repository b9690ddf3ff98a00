from honest import arguments, launch


def plan(workload, device):
    dim, heads, seq = workload["dim"], workload["heads"], workload["seq"]
    keys = {
        "buffer": "k",
        "dtype": "bf16",
        "shape": [dim, heads, seq, workload["batch"]],
        "strides": [2 * dim, 2 * dim * heads, 2 * dim * heads * seq],
        "box": [dim, 1, 64, 1],
    }
    given = [*arguments(workload), {"tensor_map": "keys"}]
    return {"tensor_maps": {"keys": keys}, "launches": [launch(workload, arguments=given)]}
