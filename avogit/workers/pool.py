"""The run's side of its workers: a thread attends to each, one set of books for all.

A thread starts its worker, tells it to step while the course allows another and a place is free,
carries its orders to the device's slot, and starts another worker where one died. Books (results,
limits, pruning) are kept under one lock. All processes end with their threads.
"""

from __future__ import annotations

import contextlib
import threading
import time

from avogit.bench.protocol import Order
from avogit.config import Limit
from avogit.evaluation import DeviceSlot, Judged, OracleDied, SshSlot
from avogit.founding import found_population
from avogit.loop import DIED, Course, Limits, RunResult, Watcher
from avogit.session import Progress, Session
from avogit.settling import StepResult
from avogit.step import with_pruning
from avogit.workers.client import Worker, WorkerDied
from avogit.workers.frames import Start
from avogit.workers.places import Places

_LAST_WORDS_S = 5.0  # for steps to note that Ctrl-C ended them


def run_workers(
    session: Session,
    operator: str,
    limits: Limits,
    workers: int,
    *,
    command: str | None = None,
    watcher: Watcher,
) -> RunResult:
    """Steps, so many at work at once, until a limit is met; it holds over all of them together."""
    found_population(session)
    busy_s, budget = session.evaluator.slot.busy_s, session.config.budget
    course = Course(limits, workers, busy_s=busy_s, budget=budget)
    directory = str(session.repo.cwd.resolve())
    pool = _Pool(session, Start(directory, session.base, operator, command), course, watcher)
    return pool.run()


class _Pool:
    def __init__(self, session: Session, start: Start, course: Course, watcher: Watcher) -> None:
        self._session, self._start = session, start
        self._course, self._watcher = course, watcher
        self._books = threading.Lock()
        self._places = Places(course.workers)
        self._ending = False
        self._workers: dict[int, Worker] = {}
        self._errors: list[Exception] = []

    def run(self) -> RunResult:
        numbers = range(1, self._course.at_once + 1)
        threads = [threading.Thread(target=self._attend, args=(n,), daemon=True) for n in numbers]
        try:
            self._watcher.begins(self._course)
            for thread in threads:
                thread.start()
            self._warm_up()
            for thread in threads:
                thread.join()
        except BaseException:
            self._interrupt(threads)
            raise
        if self._errors:
            raise self._errors[0]
        return self._course.result()

    def _warm_up(self) -> None:
        """Start the oracle while the first candidates are made."""
        slot = self._session.evaluator.slot
        if isinstance(slot, DeviceSlot | SshSlot):
            with contextlib.suppress(OracleDied):  # told by the first order, which meets it again
                slot.start(self._session.progress)
            self._watcher.said(0, "")

    def _attend(self, number: int) -> None:
        """A thread's whole life: one step of its worker after another."""
        try:
            while self._take_turn(number):
                pass
        finally:
            if (worker := self._workers.pop(number, None)) is not None:
                worker.close()

    def _take_turn(self, number: int) -> bool:
        """One step, once there is a place for it; False where none begins any more."""
        with self._places.taken():
            try:
                begun = self._begin()
                if begun:
                    self._end(number, self._step(number))
            except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
                self._errors.append(error)  # before the place is free: whoever gets it looks here
                return False
            return begun

    def _begin(self) -> bool:
        with self._books:
            return not self._ending and not self._errors and self._course.begin()

    def _allowance(self, number: int) -> Limit:
        with self._books:
            return self._course.allowance(number)

    def _step(self, number: int) -> StepResult | None:
        """What a step came to; None where Ctrl-C ended it."""
        if number not in self._workers:
            self._workers[number] = Worker(self._start)
        worker = self._workers[number]
        try:
            return worker.step(
                self._allowance(number),
                self._judge,
                lambda text: self._watcher.said(number, text),
            )
        except WorkerDied as death:
            worker.close()
            del self._workers[number]
            return None if self._ending else StepResult(DIED, str(death), self._start.operator)

    def _judge(self, order: Order, progress: Progress) -> Judged:
        """Carry a worker's order out; another step may begin meanwhile."""
        with self._places.left():
            return self._session.evaluator.slot.judge(order, progress)

    def _end(self, number: int, result: StepResult | None) -> None:
        """Enter a step into the books."""
        if result is None:
            return
        with self._books:
            result = with_pruning(self._session, result)
            result = self._course.enter(result, self._session.lineage(), number)
            self._watcher.stepped(self._course, number, result)

    def _interrupt(self, threads: list[threading.Thread]) -> None:
        """End what is under way: workers note what they have in hand, then nothing is left."""
        self._ending = True
        for worker in list(self._workers.values()):
            worker.interrupt()
        self._session.evaluator.close()
        deadline = time.monotonic() + _LAST_WORDS_S
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        for worker in list(self._workers.values()):
            worker.kill()
        for thread in threads:
            if thread.is_alive():
                thread.join(_LAST_WORDS_S)
