"""`tune`: searches the tunables that a kernel declares. Needs no model.

Owns reading points from sources (a point is the values of all tunables) and saying what was
changed. Leaves the order of the search to `search`, and tunables' syntax to `task`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from avogit.operators import Context, NoProposal, on_a_line
from avogit.operators.search import Move, Point, Trial, differing, next_move
from avogit.records import Candidate, Plan, Proposal
from avogit.task import Tunable, tunables, with_tunable


@dataclass(frozen=True, slots=True)
class Source:
    """A candidate's editable files, as a point in the space of all that differ by tunables."""

    text: str  # digest of the files with every tunable set to its first choice
    axes: tuple[Tunable, ...]
    point: Point


def read_source(files: Mapping[str, bytes]) -> Source:
    """The space and the point of these editable files."""
    axes = tuple({(t.file, t.name): t for t in reversed(tunables(files))}.values())[::-1]
    first = {(t.file, t.name): t.choices[0] for t in axes}
    plain = _with_values(files, first)
    digest = hashlib.sha256()
    for name in sorted(plain):
        digest.update(f"{name}\0{hashlib.sha256(plain[name]).hexdigest()}\n".encode())
    return Source(digest.hexdigest(), axes, tuple(t.value for t in axes))


def _with_values(
    files: Mapping[str, bytes], values: Mapping[tuple[str, str], int]
) -> dict[str, bytes]:
    changed = dict(files)
    for (file, name), value in values.items():
        changed[file] = with_tunable(changed[file], name, value)
    return changed


class Tune:
    """The operator. Remembers what a tree holds, since a tree never changes."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, ...], Source] = {}

    def __call__(self, context: Context) -> Proposal | NoProposal:
        """The best tried candidate with one tunable, or a few, changed."""
        here = read_source(context.parent_files)
        if not here.axes:
            example = "`constexpr int BLOCK = 4;  // tune: 2 4 8`"
            return NoProposal("no-tunables", f"the parent declares none, such as {example}")
        same = {c.oid: (c, s.point) for c, s in self._tried(context) if s.text == here.text}
        same[context.parent.oid] = (context.parent, here.point)
        space = tuple(axis.choices for axis in here.axes)
        others = [read_source(files) for files in context.in_hand]
        in_hand = {source.point for source in others if source.text == here.text}
        move = next_move(space, _trials(same, context), context.rng, in_hand)
        if move is None:
            points = len({point for _, point in same.values()} | in_hand)
            return NoProposal("exhausted", f"all {points} points of this source were tried")
        return _proposal(context, here, same, move)

    def _tried(self, context: Context) -> Iterator[tuple[Candidate, Source]]:
        for candidate in context.lineage.candidates.values():
            if not candidate.measured:
                continue  # its tree is another than the one that was evaluated
            key = (candidate.tree, context.task.path, *context.task.editable)
            if key not in self._sources:
                files = context.task.editable_files(context.read_files(candidate.oid))
                self._sources[key] = read_source(files)
            yield candidate, self._sources[key]


vary = Tune()


def _trials(same: Mapping[str, tuple[Candidate, Point]], context: Context) -> list[Trial]:
    return [
        Trial(
            point,
            score=candidate.score,
            origin=_origin(candidate, same),
            entered=_may_be_parent(candidate, context),
        )
        for candidate, point in same.values()
    ]


def _may_be_parent(candidate: Candidate, context: Context) -> bool:
    """One that entered a line; where the supervisor chose the parent, that one alone."""
    chosen = candidate.oid == context.parent.oid
    return chosen or (on_a_line(candidate) and not context.directed)


def _origin(candidate: Candidate, same: Mapping[str, tuple[Candidate, Point]]) -> Point | None:
    known = [same[oid][1] for oid in candidate.parents if oid in same]
    return known[0] if known else None


def _proposal(
    context: Context, here: Source, same: Mapping[str, tuple[Candidate, Point]], move: Move
) -> Proposal:
    parent, point = _closest(context, same, move.point)
    changes = ", ".join(
        f"{here.axes[i].name} {point[i]} -> {move.point[i]}" for i in differing(point, move.point)
    )
    values = {(t.file, t.name): v for t, v in zip(here.axes, move.point, strict=True)}
    files = context.parent_files
    if parent.oid != context.parent.oid:
        files = context.task.editable_files(context.read_files(parent.oid))
    return Proposal(
        parent=parent.oid,
        files=_with_values(files, values),
        subject=changes,
        body=f"Point: {_shown(here, move.point)}.",
        plan=Plan(f"{changes}: {move.why}"),
    )


def _closest(
    context: Context, same: Mapping[str, tuple[Candidate, Point]], target: Point
) -> tuple[Candidate, Point]:
    """The candidate on a line that differs least from the target; the best one among equals."""

    def distance(entry: tuple[Candidate, Point]) -> tuple[int, float, str]:
        candidate, point = entry
        score = candidate.score.value if candidate.score else 0.0
        return (len(differing(point, target)), -score, candidate.oid)

    parents = [entry for entry in same.values() if _may_be_parent(entry[0], context)]
    return min(parents, key=distance)


def _shown(here: Source, point: Point) -> str:
    return " ".join(f"{t.name}={value}" for t, value in zip(here.axes, point, strict=True))
