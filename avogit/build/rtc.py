"""NVRTC: one source file to a cubin, in this process. Runs confined, where nvcc is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(argv: Sequence[str]) -> int:
    """`source cubin option...`; the compiler's words go to stderr."""
    from cuda.bindings import nvrtc

    source, cubin, *options = argv
    code = Path(source).read_bytes()
    program = _checked(nvrtc.nvrtcCreateProgram(code, source.encode(), 0, [], []))
    flags = [option.encode() for option in options]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(flags), flags)
    words = b" " * _checked(nvrtc.nvrtcGetProgramLogSize(program))
    nvrtc.nvrtcGetProgramLog(program, words)
    sys.stderr.write(words.decode("utf-8", "replace").strip("\0 "))
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        return 1
    data = b" " * _checked(nvrtc.nvrtcGetCUBINSize(program))
    nvrtc.nvrtcGetCUBIN(program, data)
    Path(cubin).write_bytes(data)
    return 0


def _checked(answer: tuple[Any, ...]) -> Any:
    status, value = answer
    if int(status):
        raise RuntimeError(f"NVRTC: {status}")
    return value
