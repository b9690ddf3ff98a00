"""`avogit tree` as text: numbers in columns, the tree beside them."""

from __future__ import annotations

from avogit import store
from avogit.commands.tree import Tree
from avogit.genealogy import CHAMPION, LIVE, PRUNED, Node, guides
from avogit.records import Candidate, Ratio, Status
from avogit.report.subjects import bare_subject
from avogit.report.terminal import Style, clipped, printable

_BOXES = {"line": "│ ", "fork": "├─", "end": "└─", "gap": "  ", "in": "●", "out": "×"}
_PLAIN = {"line": "| ", "fork": "|-", "end": "`-", "gap": "  ", "in": "*", "out": "x"}
_DEEPEST = 12  # levels that are drawn; deeper ones are counted, so that the subject has room
_PAINT = {
    CHAMPION: ("yellow", "bold"),
    LIVE: ("green", "bold"),
    str(Status.SEED): ("blue",),
    str(Status.REJECTED): ("dim",),
    str(Status.DRAFT): ("dim",),
}
_DIM = {str(Status.REJECTED), str(Status.DRAFT), PRUNED}
_SHORT = {
    "COMPILE_ERROR": "compile!",
    "RUNTIME_ERROR": "runtime!",
    "TIMEOUT": "timeout!",
    "INCORRECT_NUMERICAL": "wrong!",
    "REWARD_HACK": "hack!",
    "REFUSED": "refused!",
    "UNMEASURED": "unclear",
}


def tree_text(result: Tree, style: Style) -> str:
    """The tree, cut to the terminal's width."""
    lines = [_heading(result, style)]
    lines += [
        _line(node, row, style)
        for node, row in zip(result.nodes, guides(result.nodes), strict=True)
    ]
    if not result.nodes:
        lines.append("no candidate is like that; `avogit tree` shows all")
    return "\n".join([*lines, result.hint] if result.hint else lines)


def _heading(result: Tree, style: Style) -> str:
    shown, known = len(result.nodes), result.candidates
    count = f"{known} candidates" if shown == known else f"{shown} of {known} candidates"
    parts = [style.paint(result.population, "bold"), count]
    best = result.incumbent
    if best is not None and best.score is not None:
        against = best.trailers.get("Avo-Baseline", "the baseline")
        parts.append(f"best {best.score.value:.3f}x {printable(against)}")
    return ", ".join(parts)


def _line(node: Node, row: tuple[str, ...], style: Style) -> str:
    candidate = node.candidate
    gain, gain_paint = _gain(store.versus_parent(candidate))
    cells = [
        (f"{candidate.oid[:10]} ", ("dim",) if node.standing in _DIM else ("yellow",)),
        (f"{node.standing:<8} ", _PAINT.get(node.standing, ())),
        (f"{_score(candidate):>8} ", () if candidate.score else ("red",)),
        (f"{gain:>7}  ", gain_paint),
        (_drawn(row, style), ("dim",)),
        (f"{_mark(candidate, style)} ", _PAINT.get(node.standing, ())),
        (_subject(candidate), ("dim",) if node.standing in _DIM else ()),
    ]
    return _fitted(cells, style)


def _fitted(cells: list[tuple[str, tuple[str, ...]]], style: Style) -> str:
    """The cells in a row, of which the terminal shows as many columns as it has."""
    left, painted = style.width, []
    for text, names in cells:
        shown = text if left is None else clipped(text, left)
        left = None if left is None else max(0, left - len(text))
        painted.append(style.paint(shown, *names))
    return "".join(painted).rstrip()


def _drawn(row: tuple[str, ...], style: Style) -> str:
    parts = _BOXES if style.boxes else _PLAIN
    hidden = len(row) - _DEEPEST
    deep = f"+{hidden} " if hidden > 0 else ""
    return deep + "".join(parts[word] for word in row[-_DEEPEST:])


def _mark(candidate: Candidate, style: Style) -> str:
    entered = candidate.status in (Status.SEED, Status.ACCEPTED)
    return (_BOXES if style.boxes else _PLAIN)["in" if entered else "out"]


def _score(candidate: Candidate) -> str:
    if candidate.score is not None:
        return f"{candidate.score.value:.3f}x"
    return _SHORT.get(str(candidate.verdict), "-")


def _subject(candidate: Candidate) -> str:
    others = "".join(f" (with {oid[:10]})" for oid in candidate.parents[1:])
    why = candidate.distrust or "its tree is not the one measured"
    state = "" if candidate.measured else f" (unmeasured: {why})"
    return printable(bare_subject(candidate) + others + state)


def _gain(versus: Ratio | None) -> tuple[str, tuple[str, ...]]:
    """Against the parent, in one run; coloured where the interval says which way."""
    if versus is None:
        return "", ()
    paint = ("green",) if versus.low > 1 else ("red",) if versus.high < 1 else ()
    return f"{100 * (versus.value - 1):+.1f}%", paint
