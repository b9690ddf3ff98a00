"""`avogit selftest` -> text: every kernel with what was expected and what was found."""

from __future__ import annotations

from tabulate import tabulate

from avogit.commands.selftest import SelfTest, Tried


def selftest_text(result: SelfTest) -> str:
    """The table, what did not go as expected, and what the machine keeps apart."""
    rows = [
        [tried.name, " ".join(tried.cheats), tried.expected, tried.found, _mark(tried)]
        for tried in result.tried
    ]
    header = ["name", "cheat", "expected", "found", ""]
    lines = [tabulate(rows, header, tablefmt="plain"), ""]
    lines += [f"{t.name}: {t.found}: {t.detail}" for t in result.tried if not t.ok]
    if result.skipped:
        lines.append(f"made for a newer device: {', '.join(result.skipped)}")
    met = sum(tried.ok for tried in result.tried)
    lines.append(f"{met} of {len(result.tried)} as expected on {result.device}")
    lines.append(f"isolation: {'+'.join(result.sandbox) or 'none'}{_trust(result)}")
    return "\n".join(lines)


def _mark(tried: Tried) -> str:
    if tried.ok:
        return "ok"
    return "NOT CAUGHT" if tried.cheats else "NOT PASSED"


def _trust(result: SelfTest) -> str:
    if result.certified:
        return ", certified"
    return f"; NOT CERTIFIED: {'; '.join(result.problems)}"
