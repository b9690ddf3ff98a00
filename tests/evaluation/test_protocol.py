"""Frames: what one side says is what the other reads, and nonsense is refused."""

from __future__ import annotations

import io
import json
import pickle
import random
from dataclasses import replace

import pytest

from avogit.bench.protocol import (
    ArmSpec,
    Case,
    Defences,
    Order,
    Progress,
    ProtocolError,
    Region,
    Report,
    Spawn,
    decode,
    encode,
    receive,
    send,
)
from avogit.sandbox import Layers

ORDER = Order(
    arms=(ArmSpec("candidate", "/a"), ArmSpec("rival-0", "/b")),
    rival="rival-0",
    sample="deciding",
    budget_s=8.0,
    confidence=0.99,
    noop="/n",
    library_dirs=("/usr/lib",),
    defences=Defences(seccomp=False),
)
SPAWN = Spawn(
    artefact="/a",
    entry="f",
    arguments=("x", "out", "n"),
    cases=(Case("small", {"n": 3}, (Region("x", 0, (3, 4)),), Region("out", 64, (3, 4))),),
    input_bytes=4096,
    output_bytes=8192,
    cores=(1,),
    threads=1,
    read=("/lib",),
    writable_inputs=False,
    layers=Layers(),
)
REPORT = Report("PASSED", blocks=({"small": {"candidate": (1, 2), "baseline": (3, 4)}},))


@pytest.mark.parametrize("message", [ORDER, SPAWN, REPORT, Progress("checking 1/2")])
def test_what_is_sent_is_received(message: object) -> None:
    stream = io.BytesIO()
    send(stream, message)
    stream.seek(0)
    assert receive(stream, Order, Spawn, Report, Progress) == message
    with pytest.raises(EOFError):
        receive(stream, Order)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b'{"is": "Order"}',
        b'{"is": "Report", "verdict": 3}',
        b'{"is": "Report", "verdict": "PASSED", "surplus": 1}',
        b'{"is": "Report", "verdict": "PASSED", "overhead_us": true}',
        b'{"is": "Report", "verdict": "PASSED", "blocks": [[1]]}',
        b'{"is": "Progress", "text": "not what is waited for"}',
        pickle.dumps({"is": "Report"}),
    ],
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(data, Report)


def test_damaged_frames_are_refused_and_never_raise_anything_else() -> None:
    chance = random.Random(1)
    whole = encode(ORDER)
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            found = decode(bytes(data), Order)
        except ProtocolError:
            continue
        assert isinstance(found, Order)


def test_frames_cut_off_or_too_long_are_refused() -> None:
    stream = io.BytesIO()
    send(stream, REPORT)
    whole = stream.getvalue()
    for length in (2, 4, len(whole) - 1):
        with pytest.raises(ProtocolError, match="cut off"):
            receive(io.BytesIO(whole[:length]), Report)
    with pytest.raises(ProtocolError, match="a frame of"):
        receive(io.BytesIO(b"\xff\xff\xff\xff"), Report)


def test_nothing_of_a_secret_kind_travels_to_a_runner() -> None:
    told = json.loads(encode(SPAWN))
    assert not {"seed", "seeds", "kind", "reference", "sample"} & set(told)
    assert replace(SPAWN, threads=2) != SPAWN
