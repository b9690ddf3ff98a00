"""What the prune logs say, merged: which heads are dead, and the reason shown for a tip.

Owns the merge, which gives the same answer whatever the order the rows were read in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from avogit.records import Head
from avogit.store.rows import Grave


@dataclass(frozen=True, slots=True)
class Graveyard:
    """`dead` holds (short name, id) of heads; `shown` the one row that speaks for a tip."""

    dead: frozenset[tuple[str, str]] = frozenset()
    shown: dict[str, Grave] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  # of `shown`

    def with_rows(self, rows: Iterable[Grave]) -> Graveyard:
        """With more rows. Of several on one tip the greatest is shown, in every clone."""
        new = list(rows)
        if not new:
            return self
        shown = dict(self.shown)
        for grave in new:
            known = shown.get(grave.oid)
            if known is None or _rank(grave) > _rank(known):
                shown[grave.oid] = grave
        reasons = self.reasons | {grave.oid: shown[grave.oid].reason for grave in new}
        return Graveyard(self.dead | {(grave.name, grave.oid) for grave in new}, shown, reasons)

    def live(self, heads: Iterable[Head]) -> tuple[Head, ...]:
        """The heads that no prune log names, one a name and id, ours before fetched ones."""
        found: dict[tuple[str, str], Head] = {}
        for head in heads:
            key = (short_name(head), head.oid)
            if key not in self.dead:
                found.setdefault(key, head)
        return tuple(found[key] for key in sorted(found))

    def pruned(self, heads: Iterable[Head]) -> Mapping[str, str]:
        """Why each tip was pruned that stands at none of these heads."""
        standing = {head.oid for head in heads}
        restored = standing & self.reasons.keys()
        reasons = dict(self.reasons) if restored else self.reasons
        for oid in restored:
            del reasons[oid]
        return reasons


def short_name(head: Head) -> str:
    """A head's name within its population, the same wherever it was fetched from."""
    return head.ref.rsplit("/", 1)[-1]


def _rank(grave: Grave) -> tuple[str, str, str]:
    return grave.name, grave.score, grave.reason
