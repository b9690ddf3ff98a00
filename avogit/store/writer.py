"""A writer: the one updater of its own refs, for as long as it holds its lease.

Owns the two phases of a step in git: work in hand before a measurement, then record,
candidate, link and head in one transaction. Deletes nothing.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from avogit.errors import AvogitError
from avogit.records import Candidate, Status
from avogit.store import (
    documents,
    git,
    lineage,
    message,
    reader,
    refs,
    rows,
    spending,
    walk,
    work,
)
from avogit.store.attempts import ATTEMPT
from avogit.store.documents import Document, make_document
from avogit.store.entry import Entry, WorkInHand
from avogit.store.lease import alone, writer_lock
from avogit.store.lesson_log import LESSON, LESSONS
from avogit.store.locks import clear_own_locks
from avogit.store.objects import AVOGIT, NewObjects, Person
from avogit.store.population import chain_ref, checked_name, head_name, head_ref, host_name
from avogit.store.records_log import add_record
from avogit.store.refs import Update
from avogit.store.repository import Repository
from avogit.store.signing import signing_key
from avogit.store.spending import Spending

_MAX_WRITERS = 1000
_AUTHOR, _SIGNING = "\0author", "\0signing"  # in a repository's memory


@dataclass(slots=True)
class Writer:
    """Records candidates. Made by `writer`, which holds its lease."""

    repo: Repository
    population: str
    name: str
    author: Person
    seen_in_hand: frozenset[str]  # the trees that other writers had in hand when this one began
    _at: dict[str, str | None] = field(default_factory=dict)  # ref -> where we left it
    _last_s: int = 0
    key: str = ""  # that its records are signed with
    left: Spending | None = None  # a step of an earlier holder of this name, to be gone on with
    _paying: bool = False  # our wip ref holds a note of what was paid

    @property
    def number(self) -> int:
        """Which of this host's writers it is."""
        return int(self.name.rpartition("-")[2])

    def begin(self, item: WorkInHand, new: NewObjects | None = None) -> bool:
        """Keep a proposal before it is measured: its tokens are paid for.

        `new` holds what its tree needs and is not written yet. False, and nothing kept, where
        another writer has this very tree in hand.
        """
        new = new or NewObjects(self.repo)
        oid = work.add_work(new, item, self.population, self._now_s((item.parent,)))
        with alone(self.repo, "begin"):
            if item.tree in self._others_in_hand():
                return False
            new.write()
            self._move([self._update("wip", oid)])
        self._paying = False
        return True

    def spend(self, item: Spending, new: NewObjects | None = None) -> None:
        """Note what a step has paid so far, in all; recording the step takes the note away.

        `new` holds what its tree needs and is not written yet.
        """
        new = new or NewObjects(self.repo)
        oid = spending.add_spending(new, item, self.population, self._now_s((item.parent,)))
        new.write()
        self._move([self._update("wip", oid)])
        self._paying = True

    def take_over(self, operator: str) -> None:
        """Look at what an earlier holder of this name paid and never recorded.

        A step that `operator` can go on with is `left`; any other is recorded as an attempt.
        """
        tip = self._at[self._ref("wip")]
        found = spending.read_spending(self.repo, tip) if tip else None
        if found is None:
            return
        if found.can_go_on and found.operator == operator:
            self.left = found
        else:
            self.record_interrupted(found)

    def record_interrupted(self, item: Spending) -> None:
        """Record, as an attempt, a step that nobody goes on with."""
        payload, attachments = spending.interrupted(item)
        self.append(ATTEMPT, payload, attachments, item.tree, settles=True)
        self.left = None

    def unfinished(self) -> WorkInHand | None:
        """What an earlier holder of this name began and never recorded."""
        tip = self._at[self._ref("wip")]
        return work.read_work(self.repo, tip) if tip else None

    def record(self, entry: Entry) -> Candidate:
        """Commit a candidate with its record, on its writer's chain; as a head if it enters."""
        new, time_s = NewObjects(self.repo), self._now_s(entry.parents, later=True)
        document = make_document(
            "evaluation", self.population, self.name, time_s, _payload(entry), entry.attachments
        )
        text = message.compose(entry, self.population, document.name)
        oid = new.commit(entry.tree, entry.parents, text, time_s, self.author)
        record = self._add(new, document, "evaluation", f"an evaluation of {oid}", time_s)
        link = self._link(new, oid, time_s)
        taught: list[Update] = []
        if entry.lesson is not None:  # it appears with the candidate
            taught = self._teach(new, entry.task, entry.parents[0], entry.lesson, oid, time_s)
        new.write()
        updates = [self._update("records", record), self._update("tried", link), *taught]
        if not (self._paying and entry.decision.status is Status.DRAFT):
            updates.append(self._update("wip", oid))
            self._paying = False
        if entry.decision.status in (Status.SEED, Status.ACCEPTED):
            name = head_name(entry.generation, oid)
            updates.append(Update(head_ref(self.population, name), oid, None))
        self._move(updates)
        return self._as_candidate(oid, entry, time_s, text)

    def append(
        self,
        kind: str,
        payload: Mapping[str, object],
        blobs: Mapping[str, bytes],
        tree: str = "",
        *,
        settles: bool = False,
    ) -> str:
        """A record of its own: a re-measurement, an attempt (with its tree), ...

        One that `settles` tells of all that the step under way has paid.
        """
        new, time_s = NewObjects(self.repo), self._now_s(())
        document = make_document(kind, self.population, self.name, time_s, payload, blobs)
        oid = self._add(new, document, kind, f"one {kind}", time_s, tree)
        new.write()
        updates = [self._update("records", oid)]
        if settles:
            updates.append(self._update("wip", oid))
        self._move(updates)
        self._paying = self._paying and not settles
        return document.name

    def teach(self, task: str, candidate: Candidate, lesson: Mapping[str, object]) -> None:
        """A candidate's lesson, said better: it stands for the one that was recorded with it."""
        new, time_s = NewObjects(self.repo), self._now_s(())
        updates = self._teach(new, task, candidate.parents[0], lesson, candidate.oid, time_s)
        new.write()
        self._move(updates)

    def _add(
        self,
        new: NewObjects,
        document: Document,
        kind: str,
        about: str,
        time_s: int,
        tree: str = "",
    ) -> str:
        before = self._tip("records")
        return add_record(new, document, kind, about, before, time_s, tree, self.key)

    def _teach(
        self,
        new: NewObjects,
        task: str,
        parent: str,
        lesson: Mapping[str, object],
        oid: str,
        time_s: int,
    ) -> list[Update]:
        payload = {"task": task, "commit": oid, "parent": parent, **lesson}
        document = make_document(LESSON, self.population, self.name, time_s, payload, {})
        about, before = f"a lesson of {oid}", self._tip(LESSONS)
        commit = add_record(new, document, LESSON, about, before, time_s, "", self.key)
        return [self._update(LESSONS, commit)]

    def _link(self, new: NewObjects, oid: str, time_s: int) -> str:
        previous = self._tip("tried")
        text = f"{rows.LINK}{oid}\n"
        return new.commit(new.tree({}), [*([previous] if previous else []), oid], text, time_s)

    def _as_candidate(self, oid: str, entry: Entry, time_s: int, text: str) -> Candidate:
        logged = rows.LogEntry(oid, entry.tree, entry.parents, time_s, text)
        row = rows.row(logged, self.population)
        if row is None:
            raise ValueError(f"{oid} was written and is no candidate of {self.population}")
        return rows.candidate(row)

    def _now_s(self, parents: tuple[str, ...], *, later: bool = False) -> int:
        """Now, but never before a parent or our own last commit: clocks differ.

        `later`: after that commit. A writer's candidates share no second, so that whoever
        orders them by date has them as they were made.
        """
        seen = self.repo.memory.get(self.population)
        known = seen.candidates if isinstance(seen, lineage.Snapshot) else {}
        times = [known[oid].time_s for oid in parents if oid in known]
        unknown = [oid for oid in parents if oid not in known]
        times += [entry.time_s for entry in walk.read_commits(self.repo, unknown)]
        self._last_s = max(int(time.time()), self._last_s + later, *times)
        return self._last_s

    def _others_in_hand(self) -> frozenset[str]:
        others = work.in_hand(self.repo, self.population).keys() - {self._ref("wip")}
        return work.proposed_trees(self.repo, others)

    def _ref(self, kind: str) -> str:
        return chain_ref(kind, self.population, self.name)

    def _tip(self, kind: str) -> str | None:
        return self._at[self._ref(kind)]

    def _update(self, kind: str, oid: str) -> Update:
        return Update(self._ref(kind), oid, self._tip(kind))

    def _move(self, updates: list[Update]) -> None:
        refs.transact(self.repo, updates)
        for update in updates:
            if update.ref in self._at:
                self._at[update.ref] = update.new


@contextlib.contextmanager
def writer(repo: Repository, population: str, resumes: str = "") -> Iterator[Writer]:
    """A writer of this population under a lease of its own; unfinished work is taken up first.

    `resumes`: the operator whose steps may be gone on with; those of others are left for them.
    """
    host = host_name(repo)
    wip = work.in_hand(repo, checked_name(population))
    first = {ref for ref, operator in wip.items() if operator in ("", resumes)}
    left, kept = (work.unfinished_numbers(r, population, host) for r in (first, wip.keys() - first))
    number, lease = _take(repo, population, left, kept)
    try:
        name = f"{host}-{number}"
        chains = [chain_ref(kind, population, name) for kind in work.CHAINS]
        clear_own_locks(repo, chains)
        found = reader.read_objects(repo, chains)
        at = {ref: tip[0] if tip else None for ref, tip in zip(chains, found, strict=True)}
        tips = [tip for tip in at.values() if tip]
        last_s = max((entry.time_s for entry in walk.read_commits(repo, tips)), default=0)
        others = work.proposed_trees(repo, wip.keys() - set(chains))
        opened = Writer(repo, population, name, author(repo), others, at, last_s, _key(repo))
        opened.take_over(resumes)
        yield opened
    finally:
        os.close(lease)


def _take(
    repo: Repository, population: str, left: Sequence[int], kept: Sequence[int]
) -> tuple[int, int]:
    """A free writer's number and its lease; one that left work in hand goes first, `kept` never."""
    for number in (*left, *(n for n in range(_MAX_WRITERS) if n not in kept)):
        lease = writer_lock(repo, population, number)
        if lease is not None:
            return number, lease
    raise AvogitError(f"{_MAX_WRITERS} writers of {population} are at work: end some of them")


def author(repo: Repository) -> Person:
    """The user's configured identity, where there is one: the work is theirs."""
    known = repo.memory.get(_AUTHOR)
    if not isinstance(known, Person):
        known = repo.memory[_AUTHOR] = _asked_author(repo)
    return known


def _key(repo: Repository) -> str:
    """The key that records are signed with, tried once."""
    known = repo.memory.get(_SIGNING)
    if not isinstance(known, str):
        known = repo.memory[_SIGNING] = signing_key(repo)
    return known


def _asked_author(repo: Repository) -> Person:
    found = git.call(repo.cwd, "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
    name, _, rest = found.out.decode("utf-8", "replace").partition(" <")
    email = rest.partition(">")[0]
    return Person(name, email) if found.status == 0 and name and email else AVOGIT


def _payload(entry: Entry) -> dict[str, object]:
    plan, usage = entry.plan, entry.usage
    return {
        "task": entry.task,
        "task_version": entry.task_version,
        "config": entry.config,
        "status": str(entry.decision.status),
        "rule": entry.decision.rule,
        "reason": entry.decision.reason,
        "parents": list(entry.parents),
        "tree": entry.tree,
        "subject": entry.subject,
        "body": entry.body,
        "operator": entry.operator,
        "generation": entry.generation,
        "plan": work.plan_to_json(plan),
        "usage": work.usage_to_json(usage),
        "crossed": documents.crossed_to_json(entry.crossed),
        "wall_s": entry.wall_s,
        "device_s": entry.device_s,
        "evaluation": documents.evaluation_to_json(entry.evaluation),
    }
