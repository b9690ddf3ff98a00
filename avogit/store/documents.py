"""Records as JSON: the versioned format of `record.json` and of an evaluation in it.

Owns the documents and their hash. Leaves where they are kept to `records_log`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from avogit.errors import AvogitError
from avogit.records import CrossGains, Evaluation, Ratio, Verdict, WorkloadTiming

FORMAT = 1
DECIDING = "deciding.json"  # an attachment: the sample that decided, where another is stated
RAW = "raw.json"  # raw times lie beside record.json, which stays small enough to query


@dataclass(frozen=True, slots=True)
class Document:
    """A record's bytes, its name, and the blobs that it names by their hashes."""

    data: bytes
    blobs: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`sha256:...` of record.json."""
        return sha256(self.data)


def sha256(data: bytes) -> str:
    """`sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def to_bytes(document: object) -> bytes:
    """Canonical JSON: sorted keys, one line end, UTF-8."""
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace") + b"\n"


def compact(document: object) -> bytes:
    """Canonical JSON in one line, for raw times."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def parse_json(data: bytes) -> Any:
    """The values of a record's blob, as `compact` wrote them."""
    return json.loads(data)


def make_document(
    kind: str,
    population: str,
    writer: str,
    time_s: int,
    payload: Mapping[str, object],
    blobs: Mapping[str, bytes],
) -> Document:
    """A record. Raw times of `payload["evaluation"]` move to a blob of their own."""
    payload, kept = dict(payload), dict(blobs)
    evaluation = payload.get("evaluation")
    if isinstance(evaluation, dict) and "raw" in evaluation:
        kept[RAW] = compact(evaluation["raw"])
        payload["evaluation"] = {k: v for k, v in evaluation.items() if k != "raw"}
    listing = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in kept.items()
    }
    document = {
        "format": FORMAT,
        "kind": kind,
        "population": population,
        "writer": writer,
        "time_s": time_s,
        "payload": payload,
        "blobs": listing,
    }
    return Document(to_bytes(document), kept)


def parse_document(data: bytes, where: str) -> dict[str, Any]:
    """A record from its bytes."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise AvogitError(f"{where} is not JSON ({error}): run `avogit fsck`") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise AvogitError(f"{where} is not a record of format {FORMAT}: a newer avogit may read it")
    return document


def evaluation_to_json(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as JSON values, raw times included."""
    return {
        "verdict": str(evaluation.verdict),
        "tree": evaluation.tree,
        "reason": evaluation.reason,
        "detail": evaluation.detail,
        "workloads": [_timing_to_json(timing) for timing in evaluation.workloads],
        "score": _ratio_to_json(evaluation.score),
        "versus": {arm: _ratio_to_json(ratio) for arm, ratio in evaluation.versus.items()},
        "blocks": evaluation.blocks,
        "sample": evaluation.sample,
        "device": evaluation.device,
        "baseline": evaluation.baseline,
        "evaluator": evaluation.evaluator,
        "sandbox": list(evaluation.sandbox),
        "certified": evaluation.certified,
        "stages_s": dict(evaluation.stages_s),
        "raw": dict(evaluation.raw),
    }


def evaluation_from_json(
    document: Mapping[str, Any], raw: Mapping[str, Any] | None = None
) -> Evaluation:
    """The evaluation that a document holds; `raw` where it was kept apart."""
    try:
        return Evaluation(
            verdict=Verdict(document["verdict"]),
            tree=document["tree"],
            reason=document["reason"],
            detail=document["detail"],
            workloads=tuple(_timing_from_json(item) for item in document["workloads"]),
            score=_ratio_from_json(document["score"]) if document["score"] else None,
            versus={arm: _ratio_from_json(r) for arm, r in document["versus"].items()},
            blocks=document["blocks"],
            sample=document["sample"],
            device=document["device"],
            baseline=document["baseline"],
            evaluator=document["evaluator"],
            sandbox=tuple(document["sandbox"]),
            certified=document["certified"],
            stages_s=document["stages_s"],
            raw=raw if raw is not None else document.get("raw", {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AvogitError(
            f"a record's evaluation cannot be read ({error}): `avogit fsck`"
        ) from error


def crossed_to_json(crossed: CrossGains | None) -> dict[str, Any] | None:
    """A crossover's gains as JSON values: by workload, of the first, the second and both."""
    if crossed is None:
        return None
    gains = {name: [_ratio_to_json(g) for g in of] for name, of in crossed.gains.items()}
    return {"ancestor": crossed.ancestor, "gains": gains}


def evaluation_bytes(evaluation: Evaluation) -> bytes:
    """An evaluation as an attachment, raw times included."""
    return compact(evaluation_to_json(evaluation))


def _timing_to_json(timing: WorkloadTiming) -> dict[str, Any]:
    return {
        "workload": timing.workload,
        "latency_us": dict(timing.latency_us),
        "versus": {arm: _ratio_to_json(ratio) for arm, ratio in timing.versus.items()},
    }


def _timing_from_json(document: Mapping[str, Any]) -> WorkloadTiming:
    versus = {arm: _ratio_from_json(ratio) for arm, ratio in document["versus"].items()}
    return WorkloadTiming(document["workload"], document["latency_us"], versus)


def _ratio_to_json(ratio: Ratio | None) -> dict[str, float] | None:
    return {"value": ratio.value, "low": ratio.low, "high": ratio.high} if ratio else None


def _ratio_from_json(document: Mapping[str, float]) -> Ratio:
    return Ratio(document["value"], document["low"], document["high"])
