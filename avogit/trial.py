"""A candidate without some of its hunks: whether that holds, and how fast it is beside the whole.

Each hunk is taken back on top of the candidate, and what remains is judged as a draft of its own.
Where the rest does not build or pass without a hunk, it is taken back together with another. All
that hold are then timed beside the whole kernel, in one run, and what is undecided for longer.
Leaves splitting to `store`, and what a gain says of a hunk to `ablation`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from avogit import store
from avogit.records import (
    INCUMBENT,
    PARENT,
    Candidate,
    Decision,
    Evaluation,
    Ratio,
    Status,
    Verdict,
)
from avogit.session import Session
from avogit.statistics import widened
from avogit.step import free_writer
from avogit.store import Hunk

OPERATOR = "ablate"
_MAX_PARTNERS = 8  # of a hunk that cannot go alone
_LOOKS = (1, 2, 4)  # times `measure.confirm_s` for each part; what is undecided gets the next one
_AT_ONCE = 4  # kernels timed beside the whole one: each has processes and memory of its own


@dataclass(frozen=True, slots=True)
class Removal:
    """The kernel without some hunks, judged by itself."""

    hunks: tuple[Hunk, ...]
    tree: str
    draft: str  # its commit id
    evaluation: Evaluation

    @property
    def arm(self) -> str:
        """What it is called among the arms of one run."""
        return "-".join(["without", *(str(hunk.number) for hunk in self.hunks)])

    @property
    def fails(self) -> bool:
        """Whether the rest does not hold; a machine too busy to time it tells nothing of that."""
        return self.evaluation.verdict not in (Verdict.PASSED, Verdict.UNMEASURED)


@dataclass(slots=True)
class Gains:
    """How much faster the whole kernel is than each without a part, by arm; and what told so."""

    confidence: float  # of all intervals together, however often each was looked at
    comparisons: int
    by_arm: dict[str, Ratio] = field(default_factory=dict)
    evaluations: list[Evaluation] = field(default_factory=list)

    def add(self, found: Evaluation, arms: Collection[str]) -> None:
        """A run's intervals; a run that told nothing leaves what is known."""
        self.evaluations.append(found)
        if found.score is None:
            return
        blocks = max(found.blocks, 2)
        for arm in arms:
            ratio = found.versus[arm]
            self.by_arm[arm] = widened(ratio, blocks, self.confidence, self.comparisons)

    def undecided(self, arm: str, margin: float) -> bool:
        """Whether the interval spans 1, and is wider than a tie's."""
        gain = self.by_arm.get(arm)
        if gain is None:
            return True
        return gain.low <= 1 <= gain.high and not 1 - margin < gain.low <= gain.high < 1 + margin


class Trial:
    """One candidate's hunks, and what the kernel is without some of them."""

    def __init__(self, session: Session, candidate: Candidate, since: str, context: int) -> None:
        self.session = session
        self.candidate = candidate
        self.whole = session.source(candidate.oid)
        self.before = session.source(since).files
        self.hunks = store.hunks(session.repo, self.before, self.whole.files, context)

    def files(self, hunks: Collection[Hunk]) -> dict[str, bytes]:
        return store.without_hunks(hunks, self.before, self.whole.files)

    def tree(self, hunks: Collection[Hunk]) -> str:
        """The root tree of the kernel without these hunks."""
        repo, folder = self.session.repo, self.session.task.path
        whole = store.tree_of(repo, self.candidate.oid)
        return store.with_files(repo, whole, folder, self.files(hunks))

    def removals(self) -> list[Removal]:
        """Each hunk alone, then with others where the rest does not hold without it."""
        found = [self._without((hunk,)) for hunk in self.hunks]
        failing = [removal.hunks[0] for removal in found if removal.fails]
        joined: set[int] = set()
        for hunk in failing:
            if hunk.number not in joined and (group := self._group(hunk, failing)) is not None:
                found.append(group)
                joined |= {member.number for member in group.hunks}
        return found

    def gains(self, removals: Sequence[Removal]) -> Gains:
        """What each part is worth: of those that hold, timed interleaved with the whole kernel."""
        settings = self.session.config.acceptance
        looked_at = [removal for removal in removals if removal.evaluation.score is not None]
        gains = Gains(settings.confidence, len(looked_at) * len(_LOOKS))
        for longer in _LOOKS:
            for some in _batches(looked_at):
                gains.add(self._beside(some, longer), [removal.arm for removal in some])
            margin = settings.match_margin
            looked_at = [one for one in looked_at if gains.undecided(one.arm, margin)]
        return gains

    def _group(self, hunk: Hunk, failing: Sequence[Hunk]) -> Removal | None:
        """The hunk with the nearest others that let it go."""
        others = [other for other in self.hunks if other.number != hunk.number]
        others.sort(key=lambda other: (other not in failing, abs(other.number - hunk.number)))
        groups: list[tuple[Hunk, ...]] = [(hunk, other) for other in others[:_MAX_PARTNERS]]
        if len(failing) > 2:
            groups.append(tuple(failing))
        for group in groups:
            found = self._without(tuple(sorted(group, key=lambda member: member.number)))
            if not found.fails:
                return found
        return None

    def _without(self, hunks: tuple[Hunk, ...]) -> Removal:
        """The kernel without these hunks, judged beside the whole one and kept as a draft."""
        session, oid, tree = self.session, self.candidate.oid, self.tree(hunks)
        places = " and ".join(hunk.place for hunk in hunks)
        session.progress(f"without {places} ({hunks[0].number} of {len(self.hunks)})")
        arms = {INCUMBENT: self.whole, PARENT: self.whole}
        budget_s = session.config.measure.budget_s / 2
        evaluation = session.measure(session.source(tree), arms, "quick", budget_s)
        entry = session.entry(
            evaluation,
            Decision(Status.DRAFT, f"{oid[:10]} without a part, to see its worth", "draft"),
            (oid,),
            OPERATOR,
            subject=f"without {places}",
            generation=self.candidate.generation + 1,
        )
        with free_writer(session) as writer:
            return Removal(hunks, tree, writer.record(entry).oid, evaluation)

    def _beside(self, removals: Sequence[Removal], longer: int) -> Evaluation:
        """The whole kernel timed beside those without a part, all in one run."""
        session, count = self.session, len(removals)
        again = "undecided: measuring longer, " if longer > _LOOKS[0] else ""
        session.progress(f"{again}{count} kernels without a part beside the whole one")
        arms = {removal.arm: session.source(removal.tree) for removal in removals}
        budget_s = longer * count * session.config.measure.confirm_s
        return session.measure(self.whole, arms, "confirmation", budget_s)


def _batches(removals: Sequence[Removal]) -> Iterator[Sequence[Removal]]:
    for start in range(0, len(removals), _AT_ONCE):
        yield removals[start : start + _AT_ONCE]
