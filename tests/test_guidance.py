"""When a search stands still, and where it goes then; by hand, and as stories."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from planted import plant_child, plant_seed
from scripted_openai import Reply, ScriptedOpenAI, call

from avogit import guidance, store
from avogit.config import Supervisor
from avogit.directions import Direction, directions
from avogit.guidance import Kind, Step
from avogit.operators import on_a_line
from avogit.records import Candidate, Head, Lineage, Ratio, Status, Verdict
from avogit.store import Event

SETTINGS = Supervisor(stall_steps=6, cycle_repeats=3)


def worse(gain_pct: float, what: str = "") -> Step:
    return Step(Kind.WORSE, "p", what, "c" * 40, gain_pct)


def test_a_stall_is_told_by_its_length() -> None:
    steps = [worse(-1.0)] * 6
    assert guidance.alarm(steps[:5], SETTINGS) is None
    found = guidance.alarm(steps, SETTINGS)
    assert found is not None
    assert (found.trigger, dict(found.counts)) == ("stall", {"worse": 6})
    assert guidance.alarm(steps, replace(SETTINGS, stall_steps=0)) is None


def test_a_line_that_climbs_gets_more_time_but_not_for_ever() -> None:
    climbing = [worse(-10 + n) for n in range(12)]
    assert guidance.alarm(climbing[:11], SETTINGS) is None
    assert guidance.alarm(climbing, SETTINGS) is not None


def test_a_cycle_is_the_same_patch_or_failure_again() -> None:
    failing = [Step(Kind.FAILED, "p", "COMPILE_ERROR compiler from p")] * 2
    steps = [*failing, worse(-1.0, "tree a"), failing[0]]
    found = guidance.alarm(steps, SETTINGS)
    assert found is not None
    assert found.trigger == "cycle"
    assert "COMPILE_ERROR" in found.reason
    assert guidance.alarm(steps[:-1], SETTINGS) is None
    assert guidance.alarm(steps, replace(SETTINGS, cycle_repeats=0)) is None


def candidate(
    oid: str,
    parent: str,
    score: float | None,
    status: Status = Status.ACCEPTED,
    verdict: Verdict = Verdict.PASSED,
) -> Candidate:
    return Candidate(
        oid=oid * 40,
        tree=oid * 40,
        parents=(parent * 40,),
        time_s=1,
        subject=f"change {oid}",
        population="p",
        status=status,
        verdict=verdict,
        measured_tree=oid * 40,
        score=Ratio(score, score, score) if score else None,
        workload_scores={"short": score, "long": score / 2} if score else {},
        operator="tune",
        generation="sabcdefgh".index(oid) if oid in "sabcdefgh" else 9,
        trailers={"Avo-Evaluation": f"sha256:{oid}", "Avo-Failure": "compiler"},
    )


def lineage(*candidates: Candidate) -> Lineage:
    """s - a - b (the incumbent), s - c (pruned), s - d (live)."""
    found = [
        candidate("s", "0", 1.0, Status.SEED),
        candidate("a", "s", 1.2),
        candidate("b", "a", 1.5),
        candidate("c", "s", 1.3),
        candidate("d", "s", 1.1),
        *candidates,
    ]
    heads = tuple(Head(f"refs/heads/avo/p/{oid}", oid * 40) for oid in "bd")
    pruned = {"c" * 40: "more than 1 lines", "a" * 40: "superseded"}
    return Lineage("p", {c.oid: c for c in found}, heads, (), pruned)


def test_rules_find_several_ways_from_the_lineage() -> None:
    ways = {way.kind: way for way in directions(lineage())}
    assert list(ways) == ["ancestor", "revive", "line", "workload", "change"]
    assert ways["ancestor"].parent == "a" * 40  # one child; the seed had three
    assert ways["revive"].parent == "c" * 40  # the pruned one that is not in the best line
    assert ways["line"].parent == "d" * 40
    assert "long" in ways["workload"].text


def test_a_lineage_of_a_seed_has_ways_too() -> None:
    seed = candidate("s", "0", 1.0, Status.SEED)
    alone = Lineage("p", {seed.oid: seed}, (Head("refs/heads/avo/p/s", seed.oid),), (), {})
    assert [way.kind for way in directions(alone)] == ["workload", "change"]
    assert directions(Lineage("p", {}, (), (), {})) == ()


def recorded(oid: str) -> Event:
    return Event("evaluation", f"sha256:{oid}", 1)


def test_what_is_not_trusted_steers_nothing() -> None:
    rejected = candidate("e", "b", 1.4, Status.REJECTED)
    claimed = candidate("x", "b", 9.9, Status.ACCEPTED)
    events = [recorded("e"), recorded("x")]
    assert guidance.course(lineage(rejected, claimed), events).quiet == ()
    seen = guidance.course(lineage(rejected, replace(claimed, distrust="unsigned")), events)
    assert [step.oid for step in seen.quiet] == [rejected.oid]
    assert not on_a_line(replace(claimed, distrust="unsigned"))


def test_no_way_goes_back_to_what_is_not_trusted() -> None:
    whole = lineage()
    back = next(way for way in directions(whole) if way.kind == "ancestor")
    doubted = replace(whole.candidates[back.parent], distrust="unsigned")
    known = {**whole.candidates, back.parent: doubted}
    ways = directions(replace(whole, candidates=known))
    assert back.parent not in [way.parent for way in ways]


def attempt(outcome: str, detail: str = "") -> Event:
    payload = {"outcome": outcome, "detail": detail, "parent": "b" * 40}
    return Event("attempt", "sha256:attempt", 1, payload)


def intervention(*texts: str) -> Event:
    alarm = guidance.Alarm("stall", "nothing was accepted in 2 steps", {"worse": 2}, ())
    ways = [Direction("advice", "", text) for text in texts]
    payload = guidance.intervention_payload(alarm, ways, "rules", 2)
    return Event("intervention", "sha256:i", 1, payload)


def test_the_course_of_a_search_is_read_from_its_records() -> None:
    rejected = [
        candidate("e", "b", 1.4, Status.REJECTED),
        candidate("f", "b", None, Status.REJECTED, Verdict.COMPILE_ERROR),
        candidate("g", "b", None, Status.REJECTED, Verdict.REWARD_HACK),
        candidate("h", "b", 1.4, Status.DRAFT),
    ]
    events = [recorded("s"), recorded("b"), *(recorded(oid) for oid in "efgh")]
    events += [attempt("no-change"), attempt("already-measured", "x"), attempt("interrupted")]
    quiet = guidance.course(lineage(*rejected), events).quiet
    kinds = [str(step.kind) for step in quiet]
    assert kinds == ["worse", "failed", "refused", "unchanged", "re-measured"]
    assert guidance.course(lineage(*rejected), [*events, recorded("a")]).quiet == ()


def test_directions_have_their_steps_and_then_it_is_over() -> None:
    events: list[Event] = [attempt("no-change"), intervention("one", "two")]
    seen: list[str] = []
    for _ in range(5):
        found = guidance.course(lineage(), events).interventions[-1]
        way = found.current()
        seen.append(way.text if way else "")
        events.append(recorded("b") if len(seen) == 3 else attempt("gave-up"))
    assert seen == ["one", "one", "two", "two", ""]
    assert guidance.result_text(found.followed(0)) == "2 unchanged"
    assert guidance.result_text(found.followed(1)) == f"accepted {'b' * 10}"


def give_ups(count: int) -> list[Reply]:
    return [call("give_up", reason=f"no idea {n}") for n in range(count)]


@pytest.fixture
def watched(polynomial: Path) -> Path:
    """A population that is steered after two steps without an acceptance."""
    with (polynomial / "avogit.yaml").open("a") as file:
        file.write("supervisor: {stall_steps: 2, steps_per_direction: 1}\n")
    plant_seed(polynomial)
    return polynomial


def take(avogit, directory: Path, script: Sequence[Reply], steps: int) -> list[dict[str, object]]:
    """Steps of the agent; gives the requests that the server got."""
    with ScriptedOpenAI(script) as server:
        environment = {"OPENAI_BASE_URL": server.base_url, "AVOGIT_MODEL": "scripted-1"}
        for _ in range(steps):
            done = avogit(directory, "step", "--operator", "agent", env=environment)
            assert done.returncode == 0, done.stderr
        return list(server.requests)


def read_best(directory: Path) -> Candidate:
    repo = store.open_repository(directory)
    (population,) = store.populations(repo)
    found = store.read_lineage(repo, population).incumbent()
    assert found is not None
    return found


def interventions(avogit, directory: Path) -> list[dict[str, object]]:
    done = avogit(directory, "log", "--supervisor", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)["interventions"]
    return found


@pytest.mark.slow
def test_stall_directions_recovery_by_rules(watched: Path, avogit) -> None:
    seed = read_best(watched)
    plant_child(watched, seed, "vectorised", ratio=1.2)
    take(avogit, watched, give_ups(2), 2)
    assert interventions(avogit, watched) == []
    (request,) = take(avogit, watched, give_ups(1), 1)
    (found,) = interventions(avogit, watched)
    assert (found["trigger"], found["advisor"]) == ("stall", "rules")
    assert found["counts"] == {"unchanged": 2}
    first, *others = found["directions"]
    assert first["text"] in json.dumps(request["messages"])
    assert (first["kind"], first["parent"]) == ("ancestor", seed.oid)
    assert (first["result"], others[0]["result"]) == ("1 unchanged", "not tried yet")
    child = plant_child(watched, seed, "as directed", ratio=1.3)
    (found,) = interventions(avogit, watched)
    assert found["directions"][1]["accepted"] == [child.oid]
    assert f"accepted {child.oid[:10]} (+30.0%)" in avogit(watched, "log", "--supervisor").stdout
    assert avogit(watched, "fsck").returncode == 0


@pytest.mark.slow
def test_a_model_steers_where_one_is_configured(watched: Path, avogit) -> None:
    config = watched / "avogit.yaml"
    config.write_text(config.read_text().replace("steps_per_direction: 1", "model: wise-1"))
    seed = json.loads(avogit(watched, "log", "--json").stdout)[0]["oid"]
    take(avogit, watched, give_ups(2), 2)
    steer = call(
        "steer",
        tokens=(700, 70),
        directions=[
            {"parent": seed[:10], "text": "Go back to the seed and vectorise."},
            {"parent": "feedbeef", "text": "There is no such candidate."},
            {"text": "Look at memory."},
        ],
    )
    review, request = take(avogit, watched, [steer, *give_ups(1)], 1)
    assert review["model"] == "wise-1"
    assert "no idea 1" in review["messages"][0]["content"]
    assert "Go back to the seed and vectorise." in json.dumps(request["messages"])
    (found,) = interventions(avogit, watched)
    assert found["advisor"] == "wise-1"
    assert [way["parent"] for way in found["directions"]] == [seed, ""]
    cost = json.loads(avogit(watched, "cost", "--json").stdout)
    assert {row["name"]: row["input_tokens"] for row in cost["by_model"]}["wise-1"] == 700


@pytest.mark.slow
def test_rules_stand_in_for_a_model_that_fails(watched: Path, avogit) -> None:
    config = watched / "avogit.yaml"
    config.write_text(config.read_text().replace("steps_per_direction: 1", "model: wise-1"))
    take(avogit, watched, give_ups(2), 2)
    take(avogit, watched, [call("steer", directions=[]), *give_ups(1)], 1)
    (found,) = interventions(avogit, watched)
    assert found["advisor"] == "rules"
    assert found["directions"]
