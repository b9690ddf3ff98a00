"""Launch plans are untrusted data: what is refused, by which reason, and what is not."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from avogit.bench.plan import LaunchPlan, Memory, Null, PlanRefused, Scalar, parse_plan
from avogit.bench.plan_checks import checked_plan, checked_plans
from avogit.bundle import Bundle, Kernel, Resources
from avogit.devices import ARCHITECTURES

HOPPER, AMPERE = ARCHITECTURES["sm_90a"], ARCHITECTURES["sm_80"]
BUFFERS = {"q": 4096 * 256, "k": 4096 * 256, "out": 4096 * 256}
KERNELS = (
    Kernel("attention", "attention", "a.cubin", (8, 8, 8, 8, 128, 4, 4, 8)),
    Kernel("merge", "merge", "a.cubin", (8, 8), Resources(32, 0, 1024, 0)),
)
PLAN: dict[str, Any] = {
    "workspaces": {"partial": 1 << 20},
    "tensor_maps": {
        "keys": {"buffer": "k", "dtype": "bf16", "shape": [128, 4096], "strides": [256],
                 "box": [64, 128], "swizzle": 128},
    },
    "launches": [
        {"kernel": "attention", "grid": [132, 2, 1], "block": [384, 1, 1], "cluster": [2, 1, 1],
         "shared_bytes": 231424,
         "arguments": [{"buffer": "q"}, {"buffer": "k", "offset": 4096}, {"workspace": "partial"},
                       {"null": True}, {"tensor_map": "keys"}, {"i32": 4096}, {"f32": 0.088},
                       {"i64": 1 << 33}]},
        {"kernel": "merge", "grid": [64, 1, 1], "block": [128, 1, 1],
         "arguments": [{"workspace": "partial", "offset": 1024}, {"buffer": "out"}]},
    ],
}  # fmt: skip


def check(document: Any, architecture: Any = HOPPER) -> LaunchPlan:
    return checked_plan(document, KERNELS, BUFFERS, architecture)


def changed(*path: Any) -> Any:
    """The plan with the value at a path replaced: the last of the path is the value."""
    *keys, last, value = path
    document = copy.deepcopy(PLAN)
    place: Any = document
    for key in keys:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def test_a_sound_plan_is_parsed() -> None:
    plan = check(PLAN)
    first, second = plan.launches
    assert first.arguments[1] == Memory("k", False, 4096)
    assert first.arguments[3] == Null()
    assert first.arguments[5] == Scalar("i32", 4096)
    assert (second.cluster, second.shared_bytes) == ((1, 1, 1), 0)
    assert check(json.loads(json.dumps(PLAN))) == plan


def argument(position: int, value: Any) -> Any:
    return changed("launches", 0, "arguments", position, value)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "not-a-plan"), ([], "not-a-plan"), ({}, "not-a-plan"),
        (changed("launches", []), "no-launches"),
        (changed("launches", [PLAN["launches"][1]] * 65), "not-a-plan"),
        (changed("stream", 1), "not-a-plan"),
        (changed("launches", 0, "host_function", "f"), "not-a-plan"),
        (changed("launches", 0, "kernel", "other"), "unknown-kernel"),
        (changed("launches", 0, "kernel", 7), "not-a-plan"),
        (changed("launches", 0, "kernel", "a\n"), "not-a-plan"),
        (changed("launches", 0, "grid", [1, 1]), "not-a-plan"),
        (changed("launches", 0, "grid", [1, 1, 0]), "out-of-range"),
        (changed("launches", 0, "grid", [True, 1, 1]), "not-a-plan"),
        (changed("launches", 0, "grid", [2.0, 1, 1]), "not-a-plan"),
        (changed("launches", 0, "grid", [2, 65536, 1]), "grid-too-large"),
        (changed("launches", 0, "grid", [1 << 31, 1, 1]), "out-of-range"),
        (changed("launches", 0, "block", [1025, 1, 1]), "block-too-large"),
        (changed("launches", 0, "block", [32, 32, 2]), "block-too-large"),
        (changed("launches", 0, "block", [1, 1, 65]), "block-too-large"),
        (changed("launches", 0, "cluster", [32, 1, 1]), "cluster"),
        (changed("launches", 0, "cluster", [5, 1, 1]), "cluster"),
        (changed("launches", 0, "shared_bytes", 232449), "shared-memory"),
        (changed("launches", 1, "shared_bytes", 232448), "shared-memory"),  # and 1024 static
        (changed("launches", 0, "shared_bytes", -1), "out-of-range"),
        (changed("launches", 0, "arguments", 7, ...), "argument-count"),
        (changed("launches", 0, "arguments", [{"null": True}] * 257), "not-a-plan"),
        (argument(0, {"buffer": "secret"}), "unknown-buffer"),
        (argument(0, {"workspace": "q"}), "unknown-workspace"),
        (argument(0, {"buffer": "q", "workspace": "partial"}), "not-a-plan"),
        (argument(0, {"buffer": "q", "offset": 4096 * 256}), "offset-outside"),
        (argument(0, {"buffer": "q", "offset": -1}), "out-of-range"),
        (argument(0, {"buffer": "q", "offset": 1 << 60}), "out-of-range"),
        (argument(0, {"address": 0x7F0000000000}), "not-a-plan"),
        (argument(0, {"null": False}), "not-a-plan"),
        (argument(0, {"i32": 1}), "argument-size"),
        (argument(5, {"buffer": "q"}), "argument-size"),
        (argument(4, {"buffer": "q"}), "argument-size"),
        (argument(4, {"tensor_map": "values"}), "unknown-tensor-map"),
        (argument(5, {"i32": 1 << 31}), "out-of-range"),
        (argument(5, {"u32": -1}), "out-of-range"),
        (argument(5, {"i32": 1.5}), "not-a-plan"),
        (argument(7, {"i64": 0x7F0000000000}), "address-like"),
        (argument(7, {"i64": -(1 << 40)}), "address-like"),
        (argument(7, {"f64": 6.9e-310}), "not-a-plan"),
        (argument(6, {"f32": float("nan")}), "not-a-plan"),
        (argument(6, {"f32": 1e39}), "not-a-plan"),
        (argument(6, {"f32": 10**400}), "not-a-plan"),
        (changed("workspaces", "partial", 0), "out-of-range"),
        (changed("workspaces", {"a": 3 << 30, "b": 3 << 30}), "workspace-too-large"),
        (changed("workspaces", {"": 16}), "not-a-plan"),
        (changed("tensor_maps", "keys", "shape", [128, 4097]), "tensor-map-outside"),
        (changed("tensor_maps", "keys", "strides", [512]), "tensor-map-outside"),
        (changed("tensor_maps", "keys", "offset", 256), "tensor-map-outside"),
        (changed("tensor_maps", "keys", "strides", [264]), "tensor-map-outside"),
        (changed("tensor_maps", "keys", "strides", [120]), "tensor-map"),
        (changed("tensor_maps", "keys", "strides", []), "not-a-plan"),
        (changed("tensor_maps", "keys", "shape", [1] * 6), "not-a-plan"),
        (changed("tensor_maps", "keys", "box", [3, 128]), "tensor-map"),
        (changed("tensor_maps", "keys", "box", [128, 128]), "tensor-map"),  # 256 bytes in 128
        (changed("tensor_maps", "keys", "box", [64, 257]), "out-of-range"),
        (changed("tensor_maps", "keys", "dtype", "f8"), "not-a-plan"),
        (changed("tensor_maps", "keys", "swizzle", 96), "not-a-plan"),
        (changed("tensor_maps", "keys", "buffer", "values"), "unknown-buffer"),
        (changed("tensor_maps", "keys", "workspace", "partial"), "not-a-plan"),
    ],
)  # fmt: skip
def test_what_is_refused(document: Any, reason: str) -> None:
    with pytest.raises(PlanRefused) as caught:
        check(document)
    assert caught.value.reason == reason, caught.value


def test_an_older_architecture_has_its_own_limits() -> None:
    reasons = []
    documents = (changed("tensor_maps", {}), changed("launches", 0, "cluster", [1, 1, 1]), PLAN)
    for document in documents:
        with pytest.raises(PlanRefused) as caught:
            check(document, AMPERE)
        reasons.append(caught.value.reason)
    assert reasons == ["cluster", "tensor-map", "tensor-map"]


def test_every_workload_needs_a_plan_for_the_target() -> None:
    bundle = Bundle("sm_90a", {}, KERNELS, {"small": PLAN, "large": changed("launches", [])})
    assert set(checked_plans(bundle, {"small": BUFFERS}, HOPPER)) == {"small"}
    with pytest.raises(PlanRefused, match="no plan for other"):
        checked_plans(bundle, {"other": BUFFERS}, HOPPER)
    with pytest.raises(PlanRefused, match="large: a plan that launches nothing"):
        checked_plans(bundle, {"large": BUFFERS}, HOPPER)
    with pytest.raises(PlanRefused, match="wrong-target"):
        checked_plans(bundle, {"small": BUFFERS}, AMPERE)


STRANGE: list[Any] = [
    None, True, -1, 0, 1 << 31, 1 << 63, 10**30, 10**400, 0.5, float("inf"), "", "q", "\x00",
    "a" * 300,
    [], [[]], {}, {"buffer": "q"}, {"offset": 0}, [1, 2, 3], {"null": True},
]  # fmt: skip


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every container of the document with each of its keys."""
    keys = document if isinstance(document, dict) else range(len(document))
    found = [(document, key) for key in keys]
    for _, key in list(found):
        if isinstance(document[key], (dict, list)):
            found += places(document[key])
    return found


def test_mutated_plans_are_sound_or_refused_and_nothing_else() -> None:
    chance = random.Random(7)
    accepted = longest = 0
    for _ in range(3000):
        document = copy.deepcopy(PLAN)
        for _ in range(chance.randrange(1, 4)):
            place, key = chance.choice(places(document))
            place[key] = copy.deepcopy(chance.choice(STRANGE))
        try:
            plan = check(document)
        except PlanRefused as refused:
            longest = max(longest, len(str(refused)))
            continue
        accepted += 1
        assert_inside(plan)
    assert 0 < accepted < 1500
    assert longest < 2000


def assert_inside(plan: LaunchPlan) -> None:
    """Whatever an accepted plan names lies inside what there is."""
    sizes = {False: BUFFERS, True: plan.workspaces}
    memories = [t.memory for t in plan.tensor_maps.values()]
    memories += [a for one in plan.launches for a in one.arguments if isinstance(a, Memory)]
    assert all(0 <= m.offset < sizes[m.workspace][m.name] for m in memories)
    for tensor in plan.tensor_maps.values():
        last = sum((n - 1) * s for n, s in zip(tensor.shape, (2, *tensor.strides), strict=True))
        room = sizes[tensor.memory.workspace][tensor.memory.name] - tensor.memory.offset
        assert tensor.dtype != "bf16" or last + 2 <= room


def test_parsing_alone_never_raises_anything_else() -> None:
    for strange in STRANGE:
        with pytest.raises(PlanRefused):
            parse_plan({"launches": [strange]})
