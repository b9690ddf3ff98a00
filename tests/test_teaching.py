"""Asking the agent's model what a child taught: what its silence costs, and what it must not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from planted import plant_child, plant_seed
from scripted_openai import Reply, ScriptedOpenAI, call, hang, refused, say, stalled

from avogit import store, teaching
from avogit.budget import Meter
from avogit.config import Price
from avogit.judging import Judgement
from avogit.lessons import joined
from avogit.records import Candidate, Decision, Status, Usage
from avogit.session import Session, open_session

WORDS = call("lesson", text="Idle passes only cost time.")
PAID = Usage("m", 100, 10, cost_usd=0.5)
PRICES = {"m": Price(input=2.0, output=10.0)}
Ask = Callable[[], str]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "_PATIENCE_S", 2.0)


@contextmanager
def asking(
    root: Path, meter: Meter, monkeypatch: pytest.MonkeyPatch, script: list[Reply]
) -> Iterator[tuple[Session, Ask, ScriptedOpenAI]]:
    """What a faster child of the agent's, as planted, teaches."""
    parent = plant_seed(root)
    child = plant_child(root, parent, "one pass", ratio=1.25)
    with ScriptedOpenAI(script) as server, open_session(root) as session:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("AVOGIT_MODEL", "m")
        session.config = replace(session.config, prices=PRICES)
        yield session, lambda: taught(session, parent, child, meter), server


def taught(session: Session, parent: Candidate, child: Candidate, meter: Meter) -> str:
    """The lesson as it is read after the model was asked for words."""
    payload = store.read_record(
        session.repo, session.population, child.trailers["Avo-Evaluation"]
    )["payload"]  # fmt: skip
    found = store.evaluation_from_json(payload["evaluation"])
    judged = Judgement(found, Decision(Status.ACCEPTED, "faster", "improved"), found)
    work = store.WorkInHand(parent.oid, child.tree, "one pass", "agent", usage=PAID)
    facts = teaching.facts(session, work, parent, judged)
    assert facts is not None
    with store.writer(session.repo, session.population) as writer:
        teaching.add_words(session, writer, work, judged, child, facts, meter)
    (lesson,) = joined(store.lessons(session.repo))
    assert lesson.commits == (child.oid,)
    return lesson.text


def paid(session: Session) -> list[Usage | None]:
    """What asking cost, as it is recorded."""
    asked = store.records(session.repo, session.population, teaching.ASKED)
    return [store.usage_from_json(document["payload"]["usage"]) for document in asked]


def test_the_words_join_the_facts_and_are_paid_beside_the_step(
    polynomial: Path, monkeypatch: pytest.MonkeyPatch, avogit
) -> None:
    meter = Meter(prices=PRICES)
    with asking(polynomial, meter, monkeypatch, [WORDS]) as (session, ask, _server):
        text = ask()
        assert text.startswith("one pass: +25.0%")
        assert text.endswith("Idle passes only cost time.")
        assert paid(session) == [Usage("m", 100, 10, cost_usd=pytest.approx(0.0003))]
    assert (meter.spent().tokens, meter.usage) == (110, None)
    assert avogit(polynomial, "fsck").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("silence", [hang(), stalled(), refused(401)], ids=["no", "half", "401"])
def test_silence_costs_neither_the_run_nor_another_try(
    polynomial: Path, monkeypatch: pytest.MonkeyPatch, silence: Reply
) -> None:
    meter = Meter(prices=PRICES)
    with asking(polynomial, meter, monkeypatch, [silence]) as (session, ask, server):
        assert ask() == ask()
        assert len(server.requests) == 1
        assert [usage.unreported for usage in paid(session) if usage] == [1] * silence.stall
    assert meter.spent().unknown == ""


def test_a_model_that_answers_badly_is_asked_again(
    polynomial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asking(polynomial, Meter(), monkeypatch, [say("well"), WORDS]) as (_, ask, _server):
        assert ask().startswith("one pass: +25.0%")
        assert ask().endswith("Idle passes only cost time.")


@pytest.mark.parametrize("broken", ["{{ nobody }}", "{% if %}", "{{ subject + 1 }}"])
def test_a_broken_template_leaves_the_facts(
    polynomial: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    said: list[str] = []
    with asking(polynomial, Meter(), monkeypatch, [WORDS]) as (session, ask, server):
        monkeypatch.setattr(
            teaching, "user_templates", lambda _session: {"agent/lesson.md.j2": broken}
        )
        session.progress = said.append
        text = ask()
        assert (server.requests, paid(session)) == ([], [])
    assert text.startswith("one pass: +25.0%")
    assert "lesson.md.j2" in said[-1]
