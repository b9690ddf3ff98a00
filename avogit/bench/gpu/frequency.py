"""The multiprocessors' clock while something runs: their ticks against the card's timer.

NVML tells the clock of now, before or after a call. Within one it is another: lower by as much as
the work at hand takes power, and by steps of 15 MHz that come and go within tenths of a second.
"""

from __future__ import annotations

import ctypes
import statistics
from typing import Any

from cuda.bindings import driver

from avogit.bench.gpu.driver import OwnKernel, Stream, allocate, call, multiprocessors

_BLOCKS_PER_SM = 2  # so many leave few out, if any
_WORDS = 2  # of one: its ticks, and the timer's nanoseconds
_SPIN_CYCLES = 1_000_000  # the timer may move by a microsecond: half a millisecond tells steps
_STAMP_PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry avogit_stamp(.param .u64 place, .param .u32 sms_param)
{
    .reg .u32 sm, sms;
    .reg .pred beyond;
    .reg .u64 base, offset, ticks, time;
    ld.param.u64 base, [place];
    ld.param.u32 sms, [sms_param];
    mov.u32 sm, %smid;
    setp.ge.u32 beyond, sm, sms;
    @beyond ret;
    mul.wide.u32 offset, sm, 16;
    add.u64 base, base, offset;
    mov.u64 ticks, %clock64;
    mov.u64 time, %globaltimer;
    st.global.v2.u64 [base], {ticks, time};
    ret;
}
\0"""


class Frequency:
    """Of what runs on a stream of the context that is current when this is made."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._sms = multiprocessors()
        self._nbytes = self._sms * _WORDS * 8
        self._stamp = OwnKernel(_STAMP_PTX, b"avogit_stamp")
        self._places = [allocate(self._nbytes) for _ in range(2)]
        self._stamps = [(ctypes.c_uint64 * (self._sms * _WORDS))() for _ in range(2)]
        self._forget()

    def begin(self) -> None:
        """Queue a look at the clocks, before what is to be told of."""
        self._look(self._places[0])

    def end(self) -> None:
        """Queue another, after it."""
        self._look(self._places[1])

    def mhz(self) -> float:
        """Between the two, when both are past: the mean of all multiprocessors; 0 for unknown."""
        for stamps, place in zip(self._stamps, self._places, strict=True):
            call(driver.cuMemcpyDtoH, ctypes.addressof(stamps), place, self._nbytes)
        self._forget()
        return mean_mhz(*self._stamps)

    def _forget(self) -> None:
        """A multiprocessor that does not look next time must say nothing."""
        for place in self._places:
            call(driver.cuMemsetD32Async, place, 0, self._nbytes // 4, self._stream)

    def _look(self, place: int) -> None:
        blocks = _BLOCKS_PER_SM * self._sms
        self._stamp.launch(self._stream, blocks, ctypes.c_uint64(place), ctypes.c_uint32(self._sms))


class IdleClock:
    """The clock of a card that does nothing else, in the context that is current."""

    def __init__(self) -> None:
        self._stream = Stream()
        self._frequency = Frequency(self._stream.handle)

    def mhz(self) -> float:
        """Now; looking takes a millisecond, in which one multiprocessor spins."""
        self._frequency.begin()
        self._stream.hold(_SPIN_CYCLES)
        self._frequency.end()
        self._stream.wait()
        return self._frequency.mhz()


def mean_mhz(begin: Any, end: Any) -> float:
    """Of two looks, [multiprocessors * 2] each: ticks and nanoseconds, 0 where none looked."""
    found = []
    for at in range(0, len(begin), _WORDS):
        ticks, ns = end[at] - begin[at], end[at + 1] - begin[at + 1]
        if begin[at + 1] and ticks > 0 and ns > 0:
            found.append(1e3 * ticks / ns)
    return statistics.fmean(found) if found else 0.0
