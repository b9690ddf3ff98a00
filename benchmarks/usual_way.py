"""The CUDA seed, evaluated as benchmarks of this field do it: `usual_way.py TASK BUILD_FOLDER`.

An extension built with torch's `load_inline`, loaded into the process that times it; five
comparisons with torch at a tolerance of 1e-2; then, for each workload, 3 warm calls and 100
timed by events, on the same inputs, their mean stated.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn.functional import scaled_dot_product_attention as sdpa
from torch.utils.cpp_extension import load_inline

SHAPES = ((8, 4096), (4, 8192), (2, 16384), (1, 32768))
CHECKS, WARM, TIMED = 5, 3, 100
DECLARED = "torch::Tensor run(torch::Tensor q, torch::Tensor k, torch::Tensor v, bool causal)"
HOST = f"""
#include <torch/extension.h>
{DECLARED} {{
    auto out = torch::empty_like(q);
    const int batch = q.size(0), seq = q.size(1), heads = q.size(2), kv = k.size(2);
    const int shared = (ROWS + 4 * KEYS) * 128 * 2;
    auto f = causal ? attention_128_causal_bf16 : attention_128_full_bf16;
    cudaFuncSetAttribute(f, cudaFuncAttributeMaxDynamicSharedMemorySize, shared);
    f<<<dim3((seq + ROWS - 1) / ROWS, heads, batch), THREADS, shared>>>(
        (const Element*)q.data_ptr(), (const Element*)k.data_ptr(), (const Element*)v.data_ptr(),
        (Element*)out.data_ptr(), seq, heads, kv, 1.4426950408889634f / sqrtf(128.0f));
    return out;
}}
"""


def main() -> None:
    begun = time.monotonic()
    module = _built(Path(sys.argv[1]), sys.argv[2])
    built_s = time.monotonic() - begun
    for causal in (False, True):
        for batch, seq in SHAPES:
            _workload(module, causal, batch, seq)
    print(f"  build {built_s:.1f} s, all the rest {time.monotonic() - begun - built_s:.1f} s")


def _built(task: Path, folder: str) -> object:
    parts = [(task / name).read_text() for name in ("config.h", "primitives.h", "attention.cu")]
    source = "".join(parts)
    for line in ("#pragma once", '#include "config.h"', '#include "primitives.h"'):
        source = source.replace(line, "")
    target = "-gencode=arch=compute_90a,code=sm_90a"
    return load_inline(
        "usual",
        cpp_sources=f"{DECLARED};",
        cuda_sources=source + HOST,
        functions=["run"],
        extra_cuda_cflags=["-O3", target],
        build_directory=folder,
    )


def _workload(module: object, causal: bool, batch: int, seq: int) -> None:
    def theirs() -> torch.Tensor:
        views = (tensor.transpose(1, 2) for tensor in inputs)
        return sdpa(*views, is_causal=causal).transpose(1, 2)

    def ours() -> torch.Tensor:
        return module.run(*inputs, causal)

    for trial in range(CHECKS):
        torch.manual_seed(trial)
        shape = (batch, seq, 16, 128)
        inputs = [torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(3)]
        assert torch.allclose(ours(), theirs(), atol=1e-2, rtol=1e-2)
    ours_ms, theirs_ms = _mean_ms(ours), _mean_ms(theirs)
    mask, ratio = "causal" if causal else "full", theirs_ms / ours_ms
    print(f"  {mask}-{seq // 1024}k: {ours_ms:.3f} ms, torch {theirs_ms:.3f} ms, {ratio:.4f}x")


def _mean_ms(call: Callable[[], torch.Tensor]) -> float:
    for _ in range(WARM):
        call()
    found = []
    for _ in range(TIMED):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
        found.append(begin.elapsed_time(end))
    return sum(found) / len(found)


if __name__ == "__main__":
    with torch.no_grad():
        main()
