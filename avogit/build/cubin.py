"""What a cubin says of its kernels: the sizes of their parameters.

A cubin is an ELF file; each kernel has a section of attributes, `.nv.info.<kernel>`. The sizes
matter: a launch hands the driver one address for each parameter, and the driver copies from
there as many bytes as the cubin says. Cubins come from untrusted sources, so every number in
them is checked before it is used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little endian
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_ATTRIBUTE = struct.Struct("<BBH")
_PARAMETER = struct.Struct("<IHHI")
_SIZED = 4  # the format of an attribute whose value stands behind it
_PARAMETER_INFO, _PARAMETER_BYTES = 0x17, 0x19
_INFO = ".nv.info."
_MOST_SECTIONS = 10_000


class NotACubin(ValueError):
    """The bytes are no cubin that this module understands."""


def parameter_sizes(cubin: bytes) -> dict[str, tuple[int, ...]]:
    """Each kernel's parameters, as their sizes in bytes, in order."""
    try:
        return {
            name.removeprefix(_INFO): _sizes(name, data)
            for name, data in _sections(cubin)
            if name.startswith(_INFO) and _is_kernel(data)
        }
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise NotACubin(f"cut off or damaged: {error}") from error


def _sections(data: bytes) -> Iterator[tuple[str, bytes]]:
    if not data.startswith(_MAGIC):
        raise NotACubin("no 64-bit little-endian ELF file")
    fields = _HEADER.unpack_from(data)
    start, entry, count, names_at = fields[6], fields[11], fields[12], fields[13]
    if entry != _SECTION.size or count > _MOST_SECTIONS or names_at >= count:
        raise NotACubin("a table of sections that makes no sense")
    headers = [_SECTION.unpack_from(data, start + i * entry) for i in range(count)]
    names = _content(data, headers[names_at])
    for header in headers:
        end = names.find(b"\0", header[0])
        if end < 0:
            raise NotACubin("a section's name has no end")
        name = names[header[0] : end].decode("utf-8")
        if name.startswith(_INFO):
            yield name, _content(data, header)


def _content(data: bytes, header: tuple[int, ...]) -> bytes:
    offset, size = header[4], header[5]
    if offset + size > len(data):
        raise NotACubin("a section reaches beyond the file")
    return data[offset : offset + size]


def _attributes(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, short value (or size), and the bytes behind it."""
    at = 0
    while at < len(data):
        kind, number, value = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        size = value if kind == _SIZED else 0
        if at + size > len(data):
            raise NotACubin("an attribute reaches beyond its section")
        yield number, value, data[at : at + size]
        at += size


def _is_kernel(data: bytes) -> bool:
    return any(number == _PARAMETER_BYTES for number, _, _ in _attributes(data))


def _sizes(name: str, data: bytes) -> tuple[int, ...]:
    found: dict[int, tuple[int, int]] = {}
    total = 0
    for number, value, content in _attributes(data):
        if number == _PARAMETER_INFO:
            _, ordinal, offset, flags = _PARAMETER.unpack(content)
            found[ordinal] = (offset, flags >> 18)
        elif number == _PARAMETER_BYTES:
            total = value
    ends = [offset + size for offset, size in found.values()]
    if sorted(found) != list(range(len(found))) or max(ends, default=0) != total:
        raise NotACubin(f"{name}: parameters that do not add up to {total} bytes")
    return tuple(found[ordinal][1] for ordinal in sorted(found))
