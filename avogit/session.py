"""One command's view of one population: repository, config, task, evaluator.

Owns which population a command speaks of. The task is read from a commit, never from the
working tree: what is trusted is what was committed.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from avogit import store
from avogit.config import CONFIG_FILE, Bench, Config, load_config, parse_config
from avogit.errors import AvogitError
from avogit.records import (
    INCUMBENT,
    PARENT,
    SECOND_PARENT,
    Candidate,
    Decision,
    Evaluation,
    Lineage,
    Verdict,
)
from avogit.task import Task, parse_task
from avogit.trust import trusted

# `evaluation` is imported where it is used: a command that only reads starts in half the time.
if TYPE_CHECKING:
    from avogit import evaluation

Progress = Callable[[str], None]
_MEASURE_TRIES = 2
_ON_DEVICE = ("correctness", "timing")
_MEASURING = ("build", "correctness", "timing")  # an evaluation's stages that are no overhead


def silent(_text: str) -> None:
    """Progress for nobody."""


@dataclass(slots=True)
class Session:
    """An open repository with its task. `evaluator` starts its oracle when first asked."""

    repo: store.Repository
    config: Config
    task: Task
    population: str
    base: str  # the user's commit that the task was read from
    evaluator: evaluation.Evaluator
    progress: Progress = field(default=silent)
    founded: bool = False  # the population was seen to have its seed
    device_s: float = 0.0  # so far: checking and timing, of all evaluations
    measuring_s: float = 0.0  # so far: compiling, checking and timing, of all evaluations
    silent_model: bool = False  # the agent's, asked for a lesson, gave no answer
    _seen: tuple[tuple[float, int], Lineage] | None = field(default=None, repr=False)

    def evaluate(
        self,
        candidate: evaluation.Source,
        rivals: Mapping[str, evaluation.Source],
        sample: str,
        budget_s: float,
    ) -> Evaluation:
        """The verdict on a candidate, with the time that measuring took accounted for."""
        found = self.evaluator.evaluate(candidate, rivals, sample=sample, budget_s=budget_s)
        self.measuring_s += sum(found.stages_s.get(stage, 0.0) for stage in _MEASURING)
        self.device_s += sum(found.stages_s.get(stage, 0.0) for stage in _ON_DEVICE)
        return found

    def measure(
        self,
        candidate: evaluation.Source,
        rivals: Mapping[str, evaluation.Source],
        sample: str,
        budget_s: float,
    ) -> Evaluation:
        """The verdict; asked for again where the machine was too busy to say anything."""
        for _ in range(_MEASURE_TRIES):
            found = self.evaluate(candidate, rivals, sample, budget_s)
            if found.verdict is not Verdict.UNMEASURED:
                break
            self.progress(f"not measured: {found.reason}")
        return found

    def lineage(self) -> Lineage:
        """The population as git tells it now, and as far as it is trusted."""
        found = store.read_lineage(self.repo, self.population)
        lineage = trusted(self.repo, found, self.config)
        self._seen = (self.repo.moment(), lineage)
        return lineage

    def lineage_of_late(self) -> Lineage:
        """One that was read a moment ago will do, where nothing was written here since."""
        if self._seen is not None:
            moment, lineage = self._seen
            if self.repo.is_still(moment):
                return lineage
        return self.lineage()

    def source(self, rev: str) -> evaluation.Source:
        """The editable files of a commit or a tree, ready to be evaluated."""
        from avogit.evaluation import Source

        files = store.folder_files(self.repo, rev, self.task.path)
        tree = store.tree_of(self.repo, rev)
        return Source(tree, self.task.editable_files(files))

    def rivals(self, lineage: Lineage, *parents: Candidate) -> dict[str, evaluation.Source]:
        """What a child of these parents is timed beside."""
        incumbent = lineage.incumbent() or parents[0]
        named = zip((PARENT, SECOND_PARENT), parents, strict=False)
        beside = {arm: self.source(parent.oid) for arm, parent in named}
        return {INCUMBENT: self.source(incumbent.oid), **beside}

    def entry(
        self,
        found: Evaluation,
        decision: Decision,
        parents: tuple[str, ...],
        operator: str,
        *,
        subject: str,
        generation: int,
    ) -> store.Entry:
        """A candidate of this task with its verdict, to be recorded."""
        return store.Entry(
            task=self.task.name,
            task_version=self.task.version,
            config=self.config.digest,
            decision=decision,
            parents=parents,
            tree=found.tree,
            subject=subject,
            operator=operator,
            generation=generation,
            evaluation=found,
        )

    def rng(self, lineage: Lineage, writer: int) -> random.Random:
        """Repeatable for a given lineage; other for the next step, and for another writer."""
        return random.Random(f"{self.config.seed}:{len(lineage.candidates)}:{writer}")


@contextlib.contextmanager
def open_session(
    path: Path,
    progress: Progress = silent,
    at: str | None = None,
    slot: evaluation.Slot | None = None,
    device: str = "",
) -> Iterator[Session]:
    """A session on the task at HEAD, or as it was at the commit `at`.

    Measures on `slot` where one is lent, else where the config's `bench` says. `device`: a GPU
    that a GPU task is for, other than the config's or this machine's.
    """
    from avogit.evaluation import Evaluator, device_class

    repo = store.open_repository(path)
    base = store.resolve(repo, at) if at else store.head(repo)
    if base is None:
        raise AvogitError("this branch has no commit yet: run `avogit init` to make the first one")
    config = _config(repo, base)
    task = load_task(repo, config, base)
    device = device or config.bench.device
    population = store.population_name(task.name, device_class(task, device), task.version)
    evaluator = Evaluator(
        task,
        state_dir=repo.state_dir,
        confidence=config.acceptance.confidence,
        progress=progress,
        slot=slot,
        reach=reach(config.bench),
        device=device,
        busy_wait_s=config.measure.busy_wait_s,
    )
    with evaluator:
        yield Session(repo, config, task, population, base, evaluator, progress)


def reach(bench: Bench) -> evaluation.Reach | None:
    """How the bench's host is reached; None where this machine measures."""
    from avogit.evaluation import Reach

    return Reach(bench.ssh, bench.python, bench.ssh_options) if bench.ssh else None


def load_task(repo: store.Repository, config: Config, commit: str) -> Task:
    """The task as committed in `commit`."""
    files = store.folder_files(repo, commit, config.task)
    if not files:
        raise AvogitError(
            f"{CONFIG_FILE} names the task {config.task}, which commit {commit[:10]} does not hold:"
            " commit the folder, or correct the name"
        )
    return parse_task(config.task, files)


def _config(repo: store.Repository, commit: str) -> Config:
    """The working tree's config; where a bisect or a bare clone has none, the commit's."""
    if repo.root is not None and (repo.root / CONFIG_FILE).exists():
        return load_config(repo.root)
    data = store.folder_files(repo, commit, "").get(CONFIG_FILE)
    if data is None:
        raise AvogitError(f"no {CONFIG_FILE} here or in {commit[:10]}: run `avogit init` first")
    return parse_config(data.decode("utf-8", "replace"), f"{commit[:10]}:{CONFIG_FILE}")


def read_population(repo: store.Repository, wanted: str | None) -> Lineage:
    """The population that a reading command speaks of, as far as it is trusted."""
    lineage = store.read_lineage(repo, choose_population(repo, wanted))
    return trusted(repo, lineage, found_config(repo))


def found_config(repo: store.Repository) -> Config | None:
    """The repository's config; None where it has none, as a mirror without a branch."""
    commit = store.head(repo)
    if repo.root is not None and (repo.root / CONFIG_FILE).exists():
        return load_config(repo.root)
    if commit is None or store.file_at(repo, commit, CONFIG_FILE) is None:
        return None
    return _config(repo, commit)


def choose_population(repo: store.Repository, wanted: str | None) -> str:
    """The population a reading command speaks of: the named one, the only one, or HEAD's."""
    known = store.populations(repo)
    if wanted is not None:
        matches = [name for name in known if name == wanted] or [
            name for name in known if name.startswith(wanted)
        ]
        if len(matches) != 1:
            listed = ", ".join(known) or "none"
            raise AvogitError(f"no single population {wanted!r}; known: {listed}")
        return matches[0]
    if len(known) == 1:
        return known[0]
    if not known:
        raise AvogitError("no population in this repository yet: `avogit seed` founds one")
    current = _population_at_head(repo)
    if current in known:
        return current
    raise AvogitError(f"several populations here: name one with --population: {', '.join(known)}")


def _population_at_head(repo: store.Repository) -> str:
    from avogit.evaluation import device_class

    commit = store.head(repo)
    if commit is None:
        return ""
    try:
        config = _config(repo, commit)
        task = load_task(repo, config, commit)
    except AvogitError:
        return ""
    named = device_class(task, config.bench.device)
    return store.population_name(task.name, named, task.version)


def find_candidate(repo: store.Repository, lineage: Lineage, rev: str) -> Candidate:
    """The candidate that `rev` names in this population."""
    if rev in ("best", "incumbent"):
        incumbent = lineage.incumbent()
        if incumbent is None:
            raise AvogitError(f"{lineage.population} has no live measured candidate: `avogit seed`")
        return incumbent
    if rev == "seed" and (seed := lineage.seed()) is not None:
        return seed
    oid = store.resolve(repo, rev)
    if oid not in lineage.candidates:
        raise AvogitError(
            f"{rev} ({oid[:10]}) is no candidate of {lineage.population}: `avogit log` lists them"
        )
    return lineage.candidates[oid]


def find_revision(session: Session, rev: str) -> str:
    """The commit that `rev` names, which need be no candidate."""
    if rev in ("best", "seed"):
        return find_candidate(session.repo, session.lineage(), rev).oid
    return store.resolve(session.repo, rev)
