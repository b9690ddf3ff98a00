"""Champions: annotated tags on candidates that a fresh measurement confirmed.

Owns the tag's message and name. Leaves the measuring and the words to its callers.
"""

from __future__ import annotations

import time

from avogit.records import Champion, Ratio
from avogit.store import git, message, refs, rows, trailers
from avogit.store.documents import evaluation_from_json
from avogit.store.objects import AVOGIT, NewObjects, signed
from avogit.store.population import champion_ref, checked_name
from avogit.store.records_log import read_record
from avogit.store.refs import Update
from avogit.store.repository import Repository


def tag_champion(repo: Repository, population: str, oid: str, text: str, record: str) -> str:
    """Tag a confirmed candidate; `record` is its confirmation's. Gives the ref.

    A candidate that is confirmed again gets a further tag: none is ever moved.
    """
    ref = _free_name(repo, population, champion_ref(checked_name(population), oid))
    pairs = message.clean(_trailers(repo, population, oid, record))
    subject, _, rest = text.strip().partition("\n")
    parts = [message.one_line(subject) or "Champion", message.safe_body(rest)]
    block = "\n".join(f"{key}: {value}" for key, value in pairs)
    whole = "\n\n".join(part for part in (*parts, block) if part) + "\n"
    made = _tag_bytes(
        oid, ref.removeprefix("refs/tags/"), message.sealed(whole, pairs), _now_s(repo, oid)
    )
    new = NewObjects(repo)
    tag = new.add("tag", made)
    new.write()
    refs.transact(repo, [Update(ref, tag, None)])
    return ref


def _free_name(repo: Repository, population: str, stem: str) -> str:
    """The first of `stem`, `stem-2`, ... that no tag has, here or in a remote."""
    patterns = (f"refs/tags/avo/{population}/", f"refs/avo-remote/**/tags/{population}/*")
    taken = {ref.rsplit("/", 1)[-1] for ref in refs.read_refs(repo, *patterns)}
    names = (stem, *(f"{stem}-{n}" for n in range(2, 10_000)))
    return next(name for name in names if name.rsplit("/", 1)[-1] not in taken)


def confirmed_score(champion: Champion) -> Ratio | None:
    """What its confirmation measured, as the tag states it."""
    block = dict(trailers.parse(champion.message))
    return rows.stated_ratio(f"{block.get('Avo-Score', '')} {block.get('Avo-Score-CI', '')}")


def _trailers(repo: Repository, population: str, oid: str, record: str) -> list[tuple[str, str]]:
    payload = read_record(repo, population, record)["payload"]
    pairs = [
        ("Avo-Format", message.FORMAT),
        ("Avo-Population", population),
        ("Avo-Champion", oid),
        ("Avo-Rule", str(payload.get("rule", ""))),
    ]
    if payload.get("evaluation"):
        found = evaluation_from_json(payload["evaluation"])
        if found.score is not None:
            pairs.append(("Avo-Score", message.number(found.score.value)))
            pairs.append(("Avo-Score-CI", message.interval(found.score)))
        pairs += [("Avo-Baseline", found.baseline), ("Avo-Device", found.device)]
    return [*pairs, ("Avo-Evaluation", record)]


def _tag_bytes(oid: str, name: str, text: str, time_s: int) -> bytes:
    lines = [f"object {oid}", "type commit", f"tag {name}", signed("tagger", AVOGIT, time_s)]
    return ("\n".join(lines) + "\n\n" + text).encode("utf-8", "replace")


def _now_s(repo: Repository, oid: str) -> int:
    made = int(git.line(repo.cwd, "log", "--no-walk", "--format=%ct", oid))
    return max(int(time.time()), made)
