"""Attention forward in Triton: out = softmax(q k^T / sqrt(dim) + mask) v.

Tensors are [batch, seq, heads, dim], contiguous. One program computes ROWS rows of one head; keys
and values go by in blocks of KEYS. `variants` says which kernels are compiled; launch.py, how
they are launched.
"""

import triton
import triton.language as tl

# Rows of q that one program holds.
ROWS = 128  # tune: 64 128
# Keys that go by at a time.
KEYS = 64  # tune: 32 64 128
# Warps of a program.
WARPS = 8  # tune: 4 8
# Blocks of keys on their way from device memory at a time.
STAGES = 3  # tune: 2 3 4

MASKED = tl.constexpr(-1e30)


@triton.jit
def attend(
    sums, maximum, total, q_tile, k_at, v_at, row, begin, end, seq, stride, scale,
    CAUSAL: tl.constexpr, EDGE: tl.constexpr, KEYS: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    """Take keys `begin` to `end` into the running sums. EDGE: some of them may be hidden."""
    for first in range(begin, end, KEYS):
        key = first + tl.arange(0, KEYS)
        place = key.to(tl.int64)[:, None] * stride
        if EDGE:
            k_tile = tl.load(k_at + place, mask=key[:, None] < seq, other=0.0)
        else:
            k_tile = tl.load(k_at + place)
        scores = tl.dot(q_tile, tl.trans(k_tile))
        if EDGE:
            seen = key[None, :] < seq
            if CAUSAL:
                seen = seen & (key[None, :] <= row[:, None])
            scores = tl.where(seen, scores, MASKED)
        largest = tl.maximum(maximum, tl.max(scores, 1))
        weights = tl.exp2((scores - largest[:, None]) * scale)
        shrink = tl.exp2((maximum - largest) * scale)
        total = total * shrink + tl.sum(weights, 1)
        sums = sums * shrink[:, None]
        if EDGE:
            v_tile = tl.load(v_at + place, mask=key[:, None] < seq, other=0.0)
        else:
            v_tile = tl.load(v_at + place)
        sums = tl.dot(weights.to(tl.float16 if HALF else tl.bfloat16), v_tile, sums)
        maximum = largest
    return sums, maximum, total


@triton.jit
def attention(
    q, k, v, out, seq, heads, kv_heads, scale,
    DIM: tl.constexpr, CAUSAL: tl.constexpr, HALF: tl.constexpr,
    ROWS: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """Grid: tiles of rows, query heads, batch. `scale` is log2(e) / sqrt(dim)."""
    tile = tl.program_id(0)
    if CAUSAL:  # the last rows see the most keys: they begin first
        tile = tl.num_programs(0) - 1 - tile
    head = tl.program_id(1)
    batch = tl.program_id(2).to(tl.int64)
    kv_head = head // (heads // kv_heads)
    row = tile * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, DIM)[None, :]

    mine = (batch * seq * heads + head) * DIM + row.to(tl.int64)[:, None] * heads * DIM + column
    q_tile = tl.load(q + mine, mask=row[:, None] < seq, other=0.0)
    theirs = (batch * seq * kv_heads + kv_head) * DIM + column
    stride = kv_heads * DIM

    sums = tl.zeros([ROWS, DIM], tl.float32)
    maximum = tl.full([ROWS], MASKED, tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    whole = seq // KEYS * KEYS  # keys before this one stand in blocks without an edge
    end = seq
    if CAUSAL:
        whole = tl.minimum(whole, tile * ROWS // KEYS * KEYS)
        end = tl.minimum(end, (tile + 1) * ROWS)
    sums, maximum, total = attend(
        sums, maximum, total, q_tile, k + theirs, v + theirs, row, 0, whole, seq, stride, scale,
        CAUSAL, False, KEYS, HALF,
    )  # fmt: skip
    sums, maximum, total = attend(
        sums, maximum, total, q_tile, k + theirs, v + theirs, row, whole, end, seq, stride, scale,
        CAUSAL, True, KEYS, HALF,
    )  # fmt: skip
    answer = sums / total[:, None]
    tl.store(out + mine, answer.to(out.dtype.element_ty), mask=row[:, None] < seq)


def name(dim: int, causal: int, fp16: int) -> str:
    """What the variant for such a workload is called."""
    return f"attention_{dim}_{'causal' if causal else 'full'}_{'fp16' if fp16 else 'bf16'}"


def variants(
    device: dict[str, object], workloads: list[dict[str, int]]
) -> dict[str, dict[str, object]]:
    """Every kernel that these workloads need, by name."""
    wanted = {(w["dim"], w["causal"], w["fp16"]) for w in workloads}
    return {name(*which): variant(*which) for which in sorted(wanted)}


def variant(dim: int, causal: int, fp16: int) -> dict[str, object]:
    """One kernel: its types, its constants, and how Triton is to compile it."""
    tensor = "*fp16" if fp16 else "*bf16"
    numbers = {"seq": "i32", "heads": "i32", "kv_heads": "i32", "scale": "fp32"}
    return {
        "function": attention,
        "signature": {"q": tensor, "k": tensor, "v": tensor, "out": tensor, **numbers},
        "constants": {
            "DIM": dim,
            "CAUSAL": bool(causal),
            "HALF": bool(fp16),
            "ROWS": ROWS,
            "KEYS": KEYS,
        },
        "aligned": ["q", "k", "v", "out"],
        "options": {"num_warps": WARPS, "num_stages": STAGES},
    }
