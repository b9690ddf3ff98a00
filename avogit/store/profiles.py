"""Profiles in git: records of kind `profile`, each of one candidate under a GPU's counters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from avogit.errors import AvogitError
from avogit.records import KernelProfile, Profile
from avogit.store.records_log import records
from avogit.store.repository import Repository

PROFILE = "profile"


def profile_payload(oid: str, profile: Profile) -> dict[str, object]:
    """What a record holds of a candidate's profile."""
    return {"candidate": oid, "profile": dataclasses.asdict(profile)}


def newest_profile(repo: Repository, population: str, oid: str) -> Profile | None:
    """A candidate's last profile; None where it has none."""
    payloads = (record["payload"] for record in records(repo, population, PROFILE))
    return next((_profile(p["profile"]) for p in payloads if p["candidate"] == oid), None)


def _profile(document: Mapping[str, Any]) -> Profile:
    try:
        kernels = tuple(_kernel(fields) for fields in document["kernels"])
        return Profile(**{**document, "kernels": kernels})
    except (KeyError, TypeError, ValueError) as error:
        raise AvogitError(f"a record's profile cannot be read ({error}): `avogit fsck`") from error


def _kernel(document: Mapping[str, Any]) -> KernelProfile:
    stalls = tuple((str(why), float(cycles)) for why, cycles in document["stalls"])
    return KernelProfile(**{**document, "stalls": stalls})
