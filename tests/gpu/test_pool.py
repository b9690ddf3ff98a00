"""Crews of launchers: who serves whom, who stays, and that none outlives its oracle."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from without_gpu import HERE, needs, scripted, within

needs("cuda.bindings")

from avogit.bench.gpu import pool as pool_module  # noqa: E402
from avogit.bench.gpu.pool import LauncherGone, Pool  # noqa: E402

BUNDLES = {"candidate": "/new", "rival-0": "/incumbent"}
CREW = 3


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


@contextlib.contextmanager
def closing(pool: Pool) -> Iterator[Pool]:
    """A pool that ends while its oracle, which is this process, goes on."""
    with pool._process, pool._zygote:
        yield pool
        for launcher in (*pool._alive(), *pool._dying):
            launcher.kill()
            launcher.ended()


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """One whose zygote forks launchers that need no GPU."""
    monkeypatch.setattr(
        pool_module, "program", lambda module, number, *, bare: scripted(number, "ok")
    )
    with closing(Pool(os.environ)) as made:
        yield made


def evaluate(pool: Pool, bundles: dict[str, str], *, stay: bool = True) -> dict[str, list[int]]:
    """One evaluation's life of a pool: correctness, timing, the end. Gives the crews' ids."""
    pool.first("candidate", CREW)
    pool.assemble(bundles, CREW)
    crews = {arm: [launcher.pid for launcher in pool.crew(arm)] for arm in bundles}
    pool.finish(bundles, stay=stay, spare=CREW)
    return crews


def test_every_arm_has_a_crew_of_its_own(pool: Pool) -> None:
    first = pool.first("candidate", CREW)
    assert alive(first.pid)
    pool.assemble(BUNDLES, CREW)
    assert pool.crew("candidate")[0] is first
    pids = [launcher.pid for arm in BUNDLES for launcher in pool.crew(arm)]
    assert len(set(pids)) == 2 * CREW
    assert set(pids) < pool.pids
    assert all(map(alive, pids))


def test_a_candidates_crew_ends_with_its_evaluation_and_a_rivals_stays(pool: Pool) -> None:
    one = evaluate(pool, BUNDLES)
    assert within(10, lambda: not any(map(alive, one["candidate"])))
    two = evaluate(pool, BUNDLES)
    assert two["rival-0"] == one["rival-0"]
    assert not set(two["candidate"]) & set(one["candidate"])


def test_who_was_started_first_serves_first(pool: Pool) -> None:
    """It has had the time to make its context."""
    evaluate(pool, BUNDLES)
    waiting = list(pool._spare)
    assert pool.first("candidate", CREW) is waiting[0]
    pool.assemble({"candidate": "/new"}, 2)
    assert pool.crew("candidate") == waiting[:2]


def test_what_stays_goes_by_its_bundle_and_not_by_its_arm(pool: Pool) -> None:
    one = evaluate(pool, BUNDLES)
    two = evaluate(pool, {"candidate": "/newer", "rival-0": "/new", "rival-1": "/incumbent"})
    assert two["rival-1"] == one["rival-0"]
    assert not set(two["rival-0"]) & {*one["candidate"], *one["rival-0"]}


def test_nothing_stays_of_what_did_not_end_well(pool: Pool) -> None:
    one = evaluate(pool, BUNDLES, stay=False)
    assert within(10, lambda: not any(map(alive, [*one["candidate"], *one["rival-0"]])))
    assert not set(evaluate(pool, BUNDLES)["rival-0"]) & set(one["rival-0"])


def test_a_sample_of_fresh_processes_gets_them(pool: Pool) -> None:
    one = evaluate(pool, BUNDLES)
    pool.renew()
    assert within(10, lambda: not any(map(alive, one["rival-0"])))
    assert not set(evaluate(pool, BUNDLES)["rival-0"]) & set(one["rival-0"])


def test_few_stay_however_many_incumbents_there_were(pool: Pool) -> None:
    crews = [evaluate(pool, {**BUNDLES, "rival-0": f"/{n}"})["rival-0"] for n in range(4)]
    assert within(10, lambda: not any(map(alive, [*crews[0], *crews[1]])))
    assert all(map(alive, [*crews[2], *crews[3]]))


def test_one_that_ends_still_counts_as_ours_until_it_is_gone(pool: Pool) -> None:
    """The card tells of it a little longer: it must not look like somebody else's process."""
    one = evaluate(pool, BUNDLES)
    assert set(one["candidate"]) <= pool.pids


def test_a_launcher_is_told_what_it_needs_of_the_environment_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = {"CUDA_VISIBLE_DEVICES": "GPU-1", "PATH": os.environ["PATH"], "HOME": "/root"}
    monkeypatch.setattr(pool_module, "program", lambda module, number, *, bare: scripted(number))
    with closing(Pool({**told, "LD_PRELOAD": "/evil.so"})) as made:
        environ = Path(f"/proc/{made.first('candidate', 1).pid}/environ").read_text()
    given = dict(line.split("=", 1) for line in environ.split("\0") if line)
    assert given == {
        "CUDA_VISIBLE_DEVICES": "GPU-1",
        "PATH": os.environ["PATH"],
        "CUDA_MODULE_LOADING": "EAGER",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def test_a_real_launcher_has_a_context_or_its_pool_says_that_it_ended() -> None:
    with closing(Pool(os.environ)) as real, contextlib.suppress(LauncherGone):
        assert alive(real.first("candidate", 1).pid)


ORACLE = """
import os, sys
sys.path[:0] = [sys.argv[1]]
import without_gpu
from avogit.bench.gpu import pool
pool.program = lambda module, number, *, bare: without_gpu.scripted(number, "ok")
held = pool.Pool(os.environ)
held.first("candidate", 2)
held.assemble({"candidate": "/a", "rival-0": "/b"}, 2)
print(*held.pids, flush=True)
sys.stdin.read()
"""


def test_launchers_die_with_their_oracle() -> None:
    command = [sys.executable, "-c", ORACLE, str(HERE)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as oracle:
        assert oracle.stdout is not None
        pids = [int(word) for word in oracle.stdout.readline().split()]
        assert len(pids) >= 4
        assert all(map(alive, pids))
        oracle.kill()
        oracle.wait(timeout=10)
        assert within(10, lambda: not any(map(alive, pids)))
