"""Keeps secrets out of everything that an operator hands to git.

Owns which environment values count as secret. Leaves to the user what a program prints of a
secret in another form (encoded, or split over lines): that cannot be recognised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_SHORTEST = 8  # shorter values ("none", "1") are no secrets, and would tear holes in the text


class Redaction:
    """Replaces the secrets of an environment by the names of their variables."""

    def __init__(self, environ: Mapping[str, str], **more: str) -> None:
        named = {k: v for k, v in environ.items() if _NAME.search(k)} | more
        held = [(v, k) for k, v in named.items() if len(v.strip()) >= _SHORTEST]
        forms = {(form, name) for value, name in held for form in _forms(value.strip())}
        # longest first: one secret may be the beginning of another
        self._secrets = sorted(forms, key=lambda secret: (-len(secret[0]), secret))

    def text(self, text: str) -> str:
        """The text without secrets."""
        for value, name in self._secrets:
            text = text.replace(value, f"[redacted {name}]")
        return text

    def held_in(self, data: bytes) -> str:
        """The name of a secret that stands in these bytes; empty where none does."""
        found = (
            name
            for value, name in self._secrets
            if value.encode("utf-8", "surrogateescape") in data
        )
        return next(found, "")

    def held_by(self, files: Mapping[str, bytes]) -> str:
        """Which file holds a secret, and whose; empty where none does."""
        found = ((name, self.held_in(data)) for name, data in files.items())
        return next((f"{name} holds the value of {secret}" for name, secret in found if secret), "")

    def data(self, value: object) -> object:
        """A JSON value without secrets, in keys and values."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(k)): self.data(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        return value


def _forms(value: str) -> tuple[str, str, str]:
    """A value as it is, on one line, and inside JSON: a tool call's arguments are such text."""
    return value, " ".join(value.split()), json.dumps(value)[1:-1]
