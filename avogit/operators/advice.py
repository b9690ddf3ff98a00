"""A model's answer to one question, through the agent's endpoint: no workspace, no evaluation.

Owns asking with a single tool whose arguments are the answer. Leaves the question, and checking
the answer, to who asks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from avogit.config import Agent
from avogit.operators.agent.replies import Reply, parse_json
from avogit.operators.redaction import Redaction
from avogit.records import Usage


class NoAdvice(Exception):
    """The model gave no answer that can be used; the text says why."""

    def __init__(self, why: str, usage: Usage | None = None) -> None:
        super().__init__(why)
        self.usage = usage


def ask(
    settings: Agent, model: str, question: str, tool: Mapping[str, Any]
) -> tuple[dict[str, Any], Usage]:
    """The arguments of the call that answers, without secrets, and what it cost."""
    # Here, since a command that asks nobody must not wait half a second for openai's import.
    from avogit.operators.agent.client import Client, Stopped, read_endpoint

    endpoint = read_endpoint(replace(settings, model=model), os.environ)
    messages = [{"role": "user", "content": question}]
    tools = [{"type": "function", "function": dict(tool)}]
    client = Client(endpoint)
    try:
        reply = client.complete(messages, tools, settings.timeout_s)
    except Stopped as stopped:
        paid = client.charge(Reply()) if stopped.begun else None
        raise NoAdvice(f"{stopped.outcome}: {stopped.detail}", paid) from stopped
    usage = client.charge(reply)
    call = next((call for call in reply.calls if call.name == tool["name"]), None)
    if call is None:
        raise NoAdvice(reply.broken or "the model did not call the tool", usage)
    try:
        answer = parse_json(call.arguments)
    except ValueError as error:
        raise NoAdvice(f"its answer is not JSON ({error})", usage) from error
    if not isinstance(answer, dict):
        raise NoAdvice("its answer is no JSON object", usage)
    told = Redaction(os.environ, OPENAI_API_KEY=endpoint.key).data(answer)
    assert isinstance(told, dict)
    return told, usage
