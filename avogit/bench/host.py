"""A host's end of a bench that is reached over ssh: it takes files and orders, and answers.

Owns the conversation with `ssh`, and this process's end: it goes when nobody is heard any more,
and its oracle goes with it. Leaves files to `delivery`, and the device's lock and the oracle to
the slot, which is the one that measures where avogit and the device are on one machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import IO

from avogit.bench.client import OracleDied
from avogit.bench.delivery import SILENCE_S, cache_folder, cannot_keep, take
from avogit.bench.packing import unpacked
from avogit.bench.protocol import (
    Failed,
    Order,
    Progress,
    ProtocolError,
    TaskSpec,
    receive,
    send,
)
from avogit.bench.slot import DeviceSlot
from avogit.bench.version import evaluator_version
from avogit.errors import AvogitError
from avogit.processes import claim_streams
from avogit.processor import processor_hash, processor_name


@dataclass(frozen=True, slots=True)
class Ready:
    """The first frame from a host: which code it runs, and what it runs on."""

    evaluator: str
    processor: str  # hash of what artefacts for a CPU depend on
    processor_name: str
    torch: bool  # whether its Python has it


@dataclass(frozen=True, slots=True)
class Offer:
    """Files that a folder below the host's cache is to hold: name -> SHA-256."""

    folder: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The answer to an offer: which of its files are to be sent, each a size and its bytes."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """To a host: what all orders are about. The spec's folder lies below the host's cache."""

    task: str  # its name in messages
    spec: TaskSpec


@dataclass(frozen=True, slots=True)
class Alive:
    """To a host, now and then: there is somebody."""


def main() -> int:
    """Serve until nobody is there. The oracle is tied to this thread; another one listens."""
    orders, answers = claim_streams()
    torch = importlib.util.find_spec("torch") is not None
    send(answers, Ready(evaluator_version(), processor_hash(), processor_name(), torch))
    inbox: queue.SimpleQueue[Begin | Order] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders, answers, inbox), daemon=True).start()
    begin = inbox.get()
    assert isinstance(begin, Begin)
    slot = _slot(begin)
    while True:
        order = inbox.get()
        assert isinstance(order, Order)
        _answer(order, slot, answers)


def _listen(orders: IO[bytes], answers: IO[bytes], inbox: queue.SimpleQueue[Begin | Order]) -> None:
    """Hear all that is said, also while an order is carried out; its end is the process's."""
    try:
        while True:
            signal.alarm(SILENCE_S)
            message = receive(orders, Alive, Begin, Offer, Order)
            if isinstance(message, Offer):
                take(orders, answers, cache_folder() / message.folder, message.files)
            elif not isinstance(message, Alive):
                inbox.put(message)
    except (EOFError, ProtocolError):
        os._exit(0)
    except OSError as error:
        sys.stderr.write(f"{cannot_keep(error)}\n")
        sys.stderr.flush()
        os._exit(1)


def _slot(begin: Begin) -> DeviceSlot:
    """The slot of this host's device, its oracle started: meanwhile there is compiled elsewhere."""
    spec = replace(begin.spec, folder=str(cache_folder() / begin.spec.folder))
    slot = DeviceSlot(begin.task, lambda: spec)
    with contextlib.suppress(AvogitError, OracleDied):  # told by the first order, which meets it
        slot.start(lambda _text: None)
    return slot


def _answer(order: Order, slot: DeviceSlot, answers: IO[bytes]) -> None:
    def tell(text: str) -> None:
        send(answers, Progress(text))

    try:
        send(answers, slot.judge(unpacked(cache_folder(), order), tell))
    except AvogitError as error:
        send(answers, Failed(str(error)))
