"""A bench on another machine: ssh, and the slot that a host there is.

Owns the connection: its options (it asks for nothing and never waits for ever), what is sent
ahead, and one line for each way that it can fail. Leaves the far end to `host`, which measures
as this machine would. A connection that breaks is made again, once; what was asked is asked anew.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avogit.bench import delivery
from avogit.bench.host import Alive, Begin, Offer, Ready, Wanted
from avogit.bench.packing import (
    ARTEFACTS,
    MODULES,
    TASK,
    files_below,
    hash_of_all,
    hashes,
    modules,
    packed,
)
from avogit.bench.protocol import (
    Failed,
    Order,
    Progress,
    ProtocolError,
    TaskSpec,
    receive,
    send,
)
from avogit.bench.slot import Judged, Say
from avogit.bench.version import evaluator_version
from avogit.errors import AvogitError
from avogit.processor import processor_hash

_OPTIONS = (
    "BatchMode=yes",  # no question, which nobody would see
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "ControlPath=none",  # a shared connection would have its own idea of all this
    "ClearAllForwardings=yes",
    "RemoteCommand=none",
    "LogLevel=ERROR",
)
_GREETING = b"avogit-bench\n"
_NOISE_LINES = 1000  # that a login shell may print before
# Says that Python runs, then runs what comes: a module's text, after its length. One line, without
# a quote or an exclamation mark, so that every login shell passes it on.
_STUB = "; ".join(
    (
        "import sys",
        "sys.path[:] = [p for p in sys.path if p]",
        "old = sys.version_info < (3, 10) and sys.version.split()[0]",
        'old and sys.exit("it has Python " + old + ", avogit needs 3.10 or later")',
        'print("avogit-bench", flush=True)',
        "text = sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))",
        "start = {}",
        "exec(text, start)",
        'start["main"]()',
    )
)
_READY_S = 120  # from starting ssh until the host is ready, all files sent
_BEAT_S = 15
_END_S = 3.0
_NO_COMMAND = (126, 127)  # what a shell ends with where there is no such program
_SSH_FAILED = 255


@dataclass(frozen=True, slots=True)
class Reach:
    """How a host is reached."""

    host: str  # as ssh takes it
    python: str  # a Python with torch there
    options: tuple[str, ...] = ()  # of ssh, as after its -o; they come before ours


class Cut(Exception):
    """The connection ended; the text is its last word."""


class SshSlot:
    """A host's slot. Threads may share it: one order at a time, as the device takes them."""

    def __init__(self, task: str, spec: Callable[[], TaskSpec], reach: Reach) -> None:
        self._task, self._spec, self._reach = task, spec, reach
        self._link: Link | None = None
        self._changing = threading.Lock()  # of `_link` and `_closed`; held for no conversation
        self._turn = threading.Lock()
        self._closed = False
        self._busy_s = 0.0

    def start(self, progress: Say) -> None:
        """Connect before there is an order: the host's oracle starts meanwhile."""
        with self._turn, contextlib.suppress(Cut):  # told by the first order, which meets it
            self._opened(progress)

    def judge(self, order: Order, progress: Say, /) -> Judged:
        """A connection that was cut is made again, once."""
        with self._turn:
            try:
                found = self._opened(progress).judge(order, progress)
            except Cut:
                self._drop()
                found = self._judge_again(order, progress)
            self._busy_s += found.seconds
            return found

    def busy_s(self) -> float:
        """What is under way is not in it: only the host knows since when it has the device."""
        return self._busy_s

    def close(self) -> None:
        with self._changing:
            self._closed = True
        self._drop()

    def _judge_again(self, order: Order, progress: Say) -> Judged:
        try:
            return self._opened(progress).judge(order, progress)
        except Cut as cut:
            self._drop()
            raise AvogitError(
                f"measuring {self._task}: the connection to {self._reach.host} ended twice ({cut});"
                " what was done is kept, try again"
            ) from cut

    def _opened(self, progress: Say) -> Link:
        """The connection, ready for orders. Called by whose turn it is."""
        with self._changing:
            if self._closed:
                raise AvogitError(f"measuring {self._task} was ended")
            if self._link is not None:
                return self._link
            progress(f"connecting to {self._reach.host}")
            link = self._link = Link(self._reach)
        try:
            link.open(self._task, self._spec())
        except BaseException:  # one that is half open is no use to anybody
            self._drop()
            raise
        return link

    def _drop(self) -> None:
        with self._changing:
            link, self._link = self._link, None
        if link is not None:
            link.close()


class Link:
    """An ssh whose far end is a host, once it is open. Any thread may close it, at any time."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
        self._speaking = threading.Lock()
        self._ended = threading.Event()
        self._process = subprocess.Popen(
            command(reach),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for us; we end it
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout

    def open(self, task: str, spec: TaskSpec) -> None:
        """From a started ssh to a host that knows its task."""
        check(self._reach, self.ready(), spec.device)
        trusted = files_below(Path(spec.folder))
        folder = f"{TASK}/{hash_of_all(hashes(trusted))}"
        with self._conversation():
            self._deliver(folder, trusted)
            with self._speaking:
                send(self._orders, Begin(task, replace(spec, folder=folder)))
        threading.Thread(target=self._beat, daemon=True).start()

    def ready(self) -> Ready:
        """What a host says that has just been sent avogit's modules."""
        late = threading.Timer(_READY_S, self._process.kill)
        late.start()
        try:
            with self._conversation():
                self._greet()
                ours = modules()
                self._deliver(f"{hash_of_all(hashes(ours))}/{MODULES}", ours)
                ready = receive(self._answers, Ready)
        except Cut as cut:
            raise self._unreached(str(cut)) from cut
        finally:
            late.cancel()
        assert isinstance(ready, Ready)
        return ready

    def judge(self, order: Order, progress: Say) -> Judged:
        """Have an order carried out there; its files go ahead."""
        there, artefacts = packed(order)
        with self._conversation():
            self._deliver(ARTEFACTS, artefacts)
            with self._speaking:
                send(self._orders, there)
            while True:
                answer = receive(self._answers, Judged, Failed, Progress)
                if isinstance(answer, Judged):
                    return answer
                if isinstance(answer, Failed):
                    raise AvogitError(f"on {self._reach.host}: {answer.text}")
                progress(answer.text)

    def close(self) -> None:
        """End it by force: what runs there ends when nobody is heard."""
        self._ended.set()
        self._process.kill()
        self._process.wait()
        with self._speaking, contextlib.suppress(BrokenPipeError):
            self._orders.close()
        self._answers.close()
        self._errors.close()

    def _greet(self) -> None:
        """Wait for Python, past whatever a login shell prints; then send the first program."""
        for _ in range(_NOISE_LINES):
            line = self._answers.readline(4096)
            if line == _GREETING:
                break
            if not line:
                raise EOFError
        else:
            raise ProtocolError("a login shell that prints without end")
        text = Path(delivery.__file__).read_bytes()
        self._orders.write(f"{len(text)}\n".encode() + text)
        self._orders.flush()

    def _deliver(self, folder: str, files: Mapping[str, Path]) -> None:
        """Have a folder of the host's cache hold these files."""
        with self._speaking:
            send(self._orders, Offer(folder, hashes(files)))
            wanted: Any = receive(self._answers, Wanted)
            if not set(wanted.names) <= set(files):
                raise ProtocolError("it wants files that were not offered")
            for name in wanted.names:
                data = _contents(files[name])
                self._orders.write(delivery.SIZE.pack(len(data)) + data)
            self._orders.flush()

    def _beat(self) -> None:
        """Be heard, also while there is nothing to say."""
        while not self._ended.wait(_BEAT_S):
            with self._speaking, contextlib.suppress(BrokenPipeError, ValueError):
                send(self._orders, Alive())

    @contextlib.contextmanager
    def _conversation(self) -> Iterator[None]:
        """Whatever ends it in here is a `Cut`."""
        try:
            yield
        except (EOFError, BrokenPipeError, ProtocolError, ValueError) as error:
            # a ValueError: another thread closed it
            raise Cut(self._last_words() or str(error) or "it ended") from error

    def _last_words(self) -> str:
        if self._ended.is_set():
            return "we ended it"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        with contextlib.suppress(ValueError):  # closed meanwhile
            self._errors.seek(0)
            lines = self._errors.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""

    def _unreached(self, words: str) -> AvogitError:
        """What is wrong, and what to try."""
        host, status = self._reach.host, self._process.poll()
        if status in _NO_COMMAND:
            what = f"there is no {self._reach.python} there"
            remedy = "name a Python with torch: `bench: {python: PATH}`"
        elif status == _SSH_FAILED:
            what, remedy = words, f"`ssh {host}` must work here without a question"
        elif status is not None and status < 0:
            what, remedy = f"no answer within {_READY_S} s", f"try `ssh {host}`"
        else:
            what, remedy = words, "see `bench:` in avogit.yaml"
        return AvogitError(f"measuring on {host}: {what}; {remedy}")


def _contents(path: Path) -> bytes:
    """A file that was there when it was offered. Without it the host waits in vain."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProtocolError(f"cannot read {path}: {error.strerror}") from error


def ask_host(reach: Reach, device: str) -> str:
    """Connect, and see whether the host can measure; gives the name of its processor."""
    link = Link(reach)
    try:
        ready = link.ready()
    finally:
        link.close()
    check(reach, ready, device)
    return ready.processor_name


def command(reach: Reach) -> list[str]:
    """The ssh that starts Python there. The first value of an option is the one that counts."""
    ssh = shutil.which("ssh")
    if ssh is None:
        raise AvogitError("measuring on another host needs ssh, which is not installed here")
    options = [word for option in (*reach.options, *_OPTIONS) for word in ("-o", option)]
    home = "~/" if reach.python.startswith("~/") else ""  # for the shell there to expand
    python = home + shlex.quote(reach.python.removeprefix("~/"))
    return [ssh, "-T", *options, "--", reach.host, f"exec {python} -c {shlex.quote(_STUB)}"]


def check(reach: Reach, ready: Ready, device: str) -> None:
    """Whether the host can measure what is built here, for this GPU or for a CPU."""
    if ready.evaluator != evaluator_version():
        raise AvogitError(
            f"measuring on {reach.host}: avogit's files there are not those that were sent;"
            " remove ~/.cache/avogit/bench there, and try again"
        )
    if not ready.torch:
        raise AvogitError(
            f"measuring on {reach.host}: {reach.python} has no torch there; install it, or name"
            " a Python that has it: `bench: {python: PATH}`"
        )
    if not device and ready.processor != processor_hash():
        raise AvogitError(
            f"measuring on {reach.host}: it has another kind of processor"
            f" ({ready.processor_name}) than this machine, for which kernels are compiled:"
            " run avogit there, or on a machine of its kind"
        )
