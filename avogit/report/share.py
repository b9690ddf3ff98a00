"""What came and what went between clones -> text."""

from __future__ import annotations

from collections.abc import Sequence

from avogit.commands.sync import Arrived, Bundled, Imported, Synced


def sync_text(result: Synced) -> str:
    lines = [f"{result.remote}: {_counted(result.published, 'ref')} published"]
    if result.retired:
        lines[0] += f", {_counted(result.retired, 'retired line')} removed there"
    lines += [f"not moved: {what}" for what in result.refused]
    return "\n".join([*lines, *map(_population, result.populations)])


def bundle_text(result: Bundled) -> str:
    size = f"{result.bytes / 1e6:.1f} MB"
    return f"{result.file}: {result.refs} refs, {size}; `avogit import {result.file}` reads it"


def import_text(result: Imported) -> str:
    lines = [f"kept as from a remote called {result.name}"]
    lines += [f"not moved: {what}" for what in result.refused]
    return "\n".join([*lines, *map(_population, result.populations)])


def _population(found: Arrived) -> str:
    best = found.incumbent
    stated = f"; best {best.oid[:10]} {best.score}" if best else ""
    live = f"{found.lines} live line{'' if found.lines == 1 else 's'}"
    first = f"{found.population}: {found.new} new of {found.candidates} candidates, {live}{stated}"
    doubts = [f"  {oid[:10]} counts as unmeasured: {why}" for oid, why in found.distrusted.items()]
    return "\n".join([first, *doubts])


def _counted(items: Sequence[str], what: str) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"
