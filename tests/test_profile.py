"""`avogit profile` as far as a machine without a GPU goes, and profiles in records."""

from __future__ import annotations

import json
from pathlib import Path

from avogit import store
from avogit.records import KernelProfile, Profile

KERNEL = KernelProfile(
    kernel="attention",
    grid="(64, 16, 8)",
    block="(128, 1, 1)",
    duration_us=812.5,
    sm_pct=61.25,
    dram_pct=4.5,
    tensor_pct=None,
    occupancy_pct=24.875,
    l2_hit_pct=93.0,
    registers=168,
    shared_bytes=65536,
    stalls=(("long scoreboard", 1.75), ("barrier", 0.5)),
)


def test_a_task_on_the_cpu_has_no_profile(polynomial: Path, avogit) -> None:
    done = avogit(polynomial, "profile", "HEAD")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "runs on the CPU" in line


def test_the_newest_profile_of_a_candidate_is_kept_and_shown(seeded: Path, avogit) -> None:
    repo = store.open_repository(seeded)
    (population,) = store.populations(repo)
    seed = store.read_lineage(repo, population).seed()
    assert seed is not None
    older = Profile("small", "h200", "ncu 2026.1", ())
    newer = Profile("large", "h200", "ncu 2026.1", (KERNEL,))
    with store.writer(repo, population) as writer:
        for oid, found in ((seed.oid, older), (seed.oid, newer), ("0" * 40, older)):
            writer.append(store.PROFILE, store.profile_payload(oid, found), {})
    assert store.newest_profile(repo, population, seed.oid) == newer
    assert store.newest_profile(repo, population, "1" * 40) is None
    shown = avogit(seeded, "show", "seed").stdout
    assert "profile: large on h200, by ncu 2026.1" in shown
    assert "attention waits for: long scoreboard (1.75 cycles), barrier (0.50 cycles)" in shown
    row = next(line for line in shown.splitlines() if line.startswith("attention  "))
    assert row.split()[-8:] == ["812.5", "61.25", "?", "4.5", "93", "24.875", "168", "65536"]
    assert json.loads(avogit(seeded, "show", "seed", "--json").stdout)["profile"]["workload"]
    assert avogit(seeded, "fsck").returncode == 0
