"""`avogit job` -> text."""

from __future__ import annotations

from avogit.commands.job import Exported, Taken


def export_text(result: Exported) -> str:
    """Where the job is, and what to run there."""
    many = f"{len(result.candidates)} candidate{'s' if len(result.candidates) != 1 else ''}"
    needs = "torch is" if not result.device else "torch, cuda-bindings and nvidia-ml-py are"
    return (
        f"{many} in {result.folder}; where {needs} installed, in that folder:\n"
        "    python3 -m avogit.bench run . -o result.json\n"
        "and here, with that file: avogit job record result.json"
    )


def record_text(result: Taken) -> str:
    """One line a verdict."""
    lines = [f"recorded in {result.population}"]
    for one in result.recorded:
        score = f"{one.evaluation.score}" if one.evaluation.score else one.evaluation.reason
        lines.append(f"{one.candidate[:10]}  {one.evaluation.verdict}  {score}")
    return "\n".join(lines)
