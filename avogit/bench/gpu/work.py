"""Work of the oracle's own that keeps a card as busy as a kernel under test does.

Every multiprocessor multiplies matrices of bfloat16 on its tensor cores, in registers, with bits
that look random: to a card's governor that is like attention, and it takes about as much power.
Nothing is read or written.
"""

from __future__ import annotations

import ctypes
import time

from avogit.bench.gpu.driver import OwnKernel, Stream, multiprocessors

_THREADS, _BLOCKS_PER_SM = 256, 2
_CHAINS, _TURNS = 8, 8  # products that do not wait for each other, and of each before a look
_A, _B, _C = 4, 2, 4  # registers of a thread, by operand
_RANDOM = (2654435761, 2246822519, 3266489917, 668265263, 374761393, 3432918353)
_SIGN_AND_FRACTION, _ONE = 0x807F807F, 0x3F803F80  # of two bfloat16: so each is 1 to 2, or -1 to -2
_HZ = 1.8e9  # about the clock under such work
_PIECE_S = 0.01  # of one kernel, at most; a card that drives a screen ends those of seconds


class OwnWork:
    """In the context that is current when this is made."""

    def __init__(self) -> None:
        self._blocks = _BLOCKS_PER_SM * multiprocessors()
        self._stream = Stream()
        self._kernel = OwnKernel(work_ptx(), b"avogit_work")

    def run(self, seconds: float) -> None:
        """Keep the card busy for about so long, to half a piece; one piece at least."""
        piece_s = min(seconds, _PIECE_S)
        cycles = ctypes.c_uint64(round(piece_s * _HZ))
        until = time.perf_counter() + seconds - piece_s / 2
        while True:
            self._kernel.launch(self._stream.handle, self._blocks, cycles, threads=_THREADS)
            self._stream.wait()
            if time.perf_counter() >= until:
                return


def work_ptx() -> bytes:
    """The kernel's text, for compute capability 8.0 and above, with the zero that ends it."""
    a, b = [f"a{i}" for i in range(_A)], [f"b{i}" for i in range(_B)]
    chains = [[f"c{chain}_{i}" for i in range(_C)] for chain in range(_CHAINS)]
    products = [
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        f"{{{', '.join(c)}}}, {{{', '.join(a)}}}, {{{', '.join(b)}}}, {{{', '.join(c)}}};"
        for c in chains
    ]
    every = [name for chain in chains for name in chain]
    lines = [
        ".version 7.0",
        ".target sm_80",
        ".address_size 64",
        ".visible .entry avogit_work(.param .u64 cycles)",
        "{",
        ".reg .u64 begun, now, wanted, nowhere;",
        ".reg .pred early, never;",
        f".reg .b32 thread, block, {', '.join(a + b)};",
        f".reg .f32 sum, {', '.join(every)};",
        "ld.param.u64 wanted, [cycles];",
        "mov.u64 begun, %clock64;",
        "mov.u32 thread, %tid.x;",
        "mov.u32 block, %ctaid.x;",
        "mad.lo.u32 thread, block, 977, thread;",
    ]
    for name, factor in zip(a + b, _RANDOM, strict=True):
        lines += [
            f"mul.lo.u32 {name}, thread, {factor};",
            f"and.b32 {name}, {name}, {_SIGN_AND_FRACTION};",
            f"or.b32 {name}, {name}, {_ONE};",
        ]
    lines += [f"mov.f32 {name}, 0f00000000;" for name in every]
    lines += ["again:", *products * _TURNS]
    lines += [
        "mov.u64 now, %clock64;",
        "sub.u64 now, now, begun;",
        "setp.lt.u64 early, now, wanted;",
        "@early bra again;",
        "mov.f32 sum, 0f00000000;",
        *[f"add.f32 sum, sum, {name};" for name in every],
        # So that the products are of use to somebody: no sum is the largest number there is.
        "setp.eq.f32 never, sum, 0f7F7FFFFF;",
        "mov.u64 nowhere, 0;",
        "@never st.global.f32 [nowhere], sum;",
        "ret;",
        "}",
    ]
    return "\n".join(lines).encode() + b"\0"
