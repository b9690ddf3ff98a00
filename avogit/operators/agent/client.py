"""The one door to the `openai` package: chat completions with tools, parsed into `Reply`.

Owns the endpoint's settings, its retries, and a name for every way it can fail. Leaves what to
answer the model to `loop`, and reading its answer to `replies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import openai

from avogit import config
from avogit.errors import AvogitError
from avogit.operators.agent.replies import Reply, parse_reply
from avogit.operators.text import one_line
from avogit.records import Usage

Message = dict[str, Any]  # one entry of the API's `messages`


class Stopped(Exception):
    """The conversation cannot go on. `outcome` is a name of docs/operators.md."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
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
    """Asks one endpoint. Use it as a context manager: it holds connections."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._openai = openai.OpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            max_retries=endpoint.retries,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._openai.close()

    def charge(self, reply: Reply) -> Usage:
        """What was paid for a reply."""
        return Usage(
            self._endpoint.model,
            reply.input_tokens,
            reply.output_tokens,
            min(reply.cached_tokens, reply.input_tokens),
            unreported=0 if reply.reported else 1,
        )

    def complete(
        self, messages: Sequence[Message], tools: Sequence[Message], left_s: float
    ) -> Reply:
        """The model's next message, in the time left. Raises `Stopped` when there is none."""
        timeout_s = min(self._endpoint.timeout_s, left_s)
        # a hanging server is asked again only while the step has time for it
        retries = min(self._endpoint.retries, int(left_s / timeout_s) - 1)
        asking = self._openai.with_options(max_retries=retries, timeout=timeout_s)
        body: Any = {"messages": list(messages), "tools": list(tools)}
        try:
            raw = asking.chat.completions.with_raw_response.create(
                model=self._endpoint.model, **body
            )
        except openai.APIError as error:
            if _is_cut_off(error):
                return Reply(broken="the connection closed before the reply was whole")
            raise self._stopped(error) from error
        return parse_reply(raw.text)

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
                return Stopped("timeout", f"{where} gave no answer in time")
            case openai.APIConnectionError():
                return Stopped("unreachable", f"cannot reach {where}: {_cause(error)}")
            case openai.InternalServerError():
                return Stopped("server-error", f"{where} failed ({error.status_code}): {said}")
        return Stopped("request-refused", f"{where} refused the request: {said}")


def _is_cut_off(error: openai.APIError) -> bool:
    """Whether a reply had begun. By name: the HTTP library below openai has changed before."""
    return type(error.__cause__).__name__ in ("RemoteProtocolError", "ReadError", "DecodingError")


def _cause(error: openai.APIError) -> str:
    return one_line(str(error.__cause__ or error.message))
