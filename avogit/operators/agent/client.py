"""The one door to the `openai` package: chat completions with tools, parsed into `Reply`.

Owns the endpoint's settings, its retries, and a name for every way it can fail. Leaves what to
answer the model to `loop`, and reading its answer to `replies`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai

from avogit import config
from avogit.errors import AvogitError
from avogit.operators.agent.replies import Reply
from avogit.operators.agent.stream import CUT_SHORT, Incoming
from avogit.operators.text import one_line
from avogit.records import Usage

Message = dict[str, Any]  # one entry of the API's `messages`

# How a reply is asked for, best first: some proxies cannot stream, or know no options of it.
_FORMS: tuple[dict[str, Any], ...] = (
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True},
    {},
)
_BROKEN = ("RemoteProtocolError", "ReadError", "DecodingError")  # a reply had begun
_SLOW = ("ReadTimeout",)
_SHORTEST_S = 0.01


class Stopped(Exception):
    """The conversation cannot go on. `outcome` is a name of docs/operators.md.

    `begun`: a reply was on its way, so that it is paid for and nobody told its tokens.
    """

    def __init__(self, outcome: str, detail: str, *, begun: bool = False) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.begun = begun
        self.outcome = outcome
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is, and how patiently to ask it."""

    model: str
    key: str
    base_url: str | None  # None: the client's own default
    timeout_s: float
    retries: int

    @property
    def shown(self) -> str:
        """The address without a user or password in it."""
        if self.base_url is None:
            return "the OpenAI endpoint"
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def no_tools(model: str) -> str:
    """What to do about a model that calls no tools."""
    return (
        f"{model} calls no tools here: choose a model that can, or have its server parse them "
        "(vLLM: --enable-auto-tool-choice; llama.cpp: --jinja), or take `--operator command`"
    )


def read_endpoint(settings: config.Agent, environ: Mapping[str, str]) -> Endpoint:
    """The endpoint that config and environment name."""
    model = settings.model or environ.get("AVOGIT_MODEL", "")
    base_url = settings.base_url or environ.get("OPENAI_BASE_URL", "")
    key = environ.get("OPENAI_API_KEY", "") or ("none" if base_url else "")
    ways_on = "`--operator tune` and `--operator command` need neither"
    if not model:
        raise AvogitError(
            "the agent operator needs a model: set agent.model in avogit.yaml or AVOGIT_MODEL, "
            f"and OPENAI_API_KEY (OPENAI_BASE_URL for another endpoint); {ways_on}"
        )
    if not key:
        raise AvogitError(
            "the agent operator needs a key: set OPENAI_API_KEY, or OPENAI_BASE_URL for an "
            f"endpoint without keys; {ways_on}"
        )
    if base_url and not base_url.startswith(("http://", "https://")):
        raise AvogitError(f"the endpoint's address must start with http:// or https://: {base_url}")
    return Endpoint(model, key, base_url or None, settings.timeout_s, settings.retries)


class Client:
    """Asks one endpoint, over the process's connections."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._form = 0
        self._openai = openai.OpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            max_retries=endpoint.retries,
            http_client=_connections(),
        )

    def charge(self, reply: Reply) -> Usage:
        """What was paid for a reply."""
        if reply.tokens is None:
            return Usage(self._endpoint.model, unreported=1)
        return Usage(self._endpoint.model, *reply.tokens)

    def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[Message],
        left_s: float,
        heard: Callable[[str], None] = lambda text: None,
    ) -> Reply:
        """The model's next message, in the time left. Raises `Stopped` when there is none.

        `heard` gets the text while it comes, from servers that stream.
        """
        body: Any = {"model": self._endpoint.model, "messages": list(messages)}
        if tools:
            body["tools"] = list(tools)
        deadline = time.monotonic() + left_s
        while True:
            try:
                return self._ask({**body, **_FORMS[self._form]}, deadline, heard)
            except openai.APIStatusError as error:
                if "stream" not in error.message.lower() or self._form == len(_FORMS) - 1:
                    raise self._stopped(error) from error
                self._form += 1  # for good: this server will not learn it during a step
            except openai.APIError as error:
                if _is_named(error.__cause__, _BROKEN):
                    return Reply(broken=CUT_SHORT)
                raise self._stopped(error) from error

    def _ask(self, body: Any, deadline: float, heard: Callable[[str], None]) -> Reply:
        left_s = max(deadline - time.monotonic(), _SHORTEST_S)
        timeout_s = min(self._endpoint.timeout_s, left_s)
        # a hanging server is asked again only while the step has time for it
        retries = min(self._endpoint.retries, int(left_s / timeout_s) - 1)
        asking = self._openai.with_options(max_retries=retries, timeout=timeout_s)
        incoming = Incoming(heard)
        with asking.chat.completions.with_streaming_response.create(**body) as response:
            try:
                for line in response.iter_lines():
                    incoming.take(line)
                    if time.monotonic() >= deadline:
                        raise self._too_late(begun=True)
            except Exception as error:
                if _is_named(error, _SLOW):
                    raise self._too_late(begun=True) from error
                if _is_named(error, _BROKEN):
                    return incoming.reply(cut=True)
                raise
        return incoming.reply()

    def _too_late(self, *, begun: bool = False) -> Stopped:
        what = "ended no answer" if begun else "gave no answer"
        return Stopped("timeout", f"{self._endpoint.shown} {what} in time", begun=begun)

    def _stopped(self, error: openai.APIError) -> Stopped:
        where = self._endpoint.shown
        said = one_line(error.message)
        match error:
            case openai.RateLimitError():
                return Stopped("rate-limited", f"{where} kept limiting the rate: {said}")
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                return Stopped(
                    "auth-refused",
                    f"{where} refused the key ({error.status_code}): set OPENAI_API_KEY to a key "
                    f"that may use {self._endpoint.model}",
                )
            case openai.APITimeoutError():
                return self._too_late()
            case openai.APIConnectionError():
                return Stopped("unreachable", f"cannot reach {where}: {_cause(error)}")
            case openai.InternalServerError():
                return Stopped("server-error", f"{where} failed ({error.status_code}): {said}")
        if isinstance(error, openai.APIStatusError) and "tool" in said.lower():
            return Stopped("no-tools", f"{no_tools(self._endpoint.model)}; {where} said: {said}")
        return Stopped("request-refused", f"{where} refused the request: {said}")


@functools.cache
def _connections() -> Any:
    """One pool for the whole process.

    A pool of its own for each step read the certificates anew: 50 ms, and memory that came back
    in pieces, so that a long run grew by 100 KiB a step.
    """
    return openai.DefaultHttpxClient()


def _is_named(error: BaseException | None, names: Collection[str]) -> bool:
    """Which error of the HTTP library below openai it is. By name: that library has changed."""
    return type(error).__name__ in names


def _cause(error: openai.APIError) -> str:
    return one_line(str(error.__cause__ or error.message))
