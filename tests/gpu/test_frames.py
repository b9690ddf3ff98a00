"""Oracle and launcher: what one says is what the other reads, and nonsense is refused."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest

from avogit.bench.gpu.frames import (
    Arena,
    Born,
    Broken,
    Done,
    Go,
    LaunchCase,
    Load,
    Loaded,
    Place,
)
from avogit.bench.protocol import Progress, ProtocolError, decode, encode, receive, send

PLACES = {"q": Place("inputs-0", 0, 4096), "out": Place("output", 1 << 40, 4096)}
LOAD = Load(
    "/a.bundle",
    "h200",
    {"inputs-0": Arena("00ff" * 32, 1 << 33), "output": Arena("ff00" * 32, 1 << 20)},
    (LaunchCase("causal-4k", (PLACES, PLACES)), LaunchCase("one-key", ({},))),
    0xDEADBEEF,
)
MESSAGES = [
    Born(1234),
    LOAD,
    Loaded(),
    Go(3, 2, 4000, 2_120_000, "0123456789abcdef"),
    Done("0123456789abcdef", 17.25, 1010.5, 0.1 + 0.2, 1830.5),
    Broken("run", "CUDA_ERROR_ILLEGAL_ADDRESS", "cuStreamSynchronize"),
]
KINDS = [type(message) for message in MESSAGES]


def name(value: object) -> str:
    return type(value).__name__


def frame(data: bytes) -> io.BytesIO:
    return io.BytesIO(len(data).to_bytes(4, "big") + data)


def test_what_is_sent_is_received_one_after_another() -> None:
    stream = io.BytesIO()
    for message in MESSAGES:
        send(stream, message)
    stream.seek(0)
    assert [receive(stream, *KINDS) for _ in MESSAGES] == MESSAGES
    with pytest.raises(EOFError):
        receive(stream, *KINDS)


@pytest.mark.parametrize("message", MESSAGES, ids=name)
def test_who_waits_for_one_kind_takes_no_other(message: Any) -> None:
    others = [kind for kind in KINDS if not isinstance(message, kind)]
    with pytest.raises(ProtocolError, match="expected"):
        decode(encode(message), *others)
    with pytest.raises(ProtocolError, match="expected"):
        decode(encode(Progress("of another conversation")), *KINDS)


@pytest.mark.parametrize(
    "data",
    [
        b'{"is": "Born"}',
        b'{"is": "Born", "pid": "1"}',
        b'{"is": "Born", "pid": true}',
        b'{"is": "Done", "nonce": "a", "queued_us": 1, "hold_us": 1}',
        b'{"is": "Done", "nonce": "a", "queued_us": 1, "hold_us": 1, "launches_us": [5]}',
        b'{"is": "Done", "nonce": "a", "queued_us": 1, "hold_us": 1, "launches_us": "5"}',
        b'{"is": "Done", "nonce": 7, "queued_us": 1, "hold_us": 1, "launches_us": 5}',
        b'{"is": "Loaded", "but": "more"}',
        b"Loaded",
    ],
)
def test_a_broken_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        receive(frame(data), *KINDS)


def test_whole_numbers_of_microseconds_are_times_too() -> None:
    data = b'{"is": "Done", "nonce": "a", "queued_us": 1, "hold_us": 2, "launches_us": 3, '
    data += b'"sm_mhz": 1800}'
    found = receive(frame(data), Done)
    assert found == Done("a", 1.0, 2.0, 3.0, 1800.0)
    assert isinstance(found.launches_us, float)


@pytest.mark.parametrize("message", MESSAGES, ids=name)
def test_damage_is_refused_or_read_as_what_it_says(message: Any) -> None:
    chance, whole = random.Random(1), encode(message)
    for length in range(len(whole)):
        with pytest.raises(ProtocolError):
            decode(whole[:length], *KINDS)
    for _ in range(300):
        data = bytearray(whole)
        data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            assert isinstance(decode(bytes(data), *KINDS), tuple(KINDS))
        except ProtocolError:
            continue
