"""The one door to the `openai` package: chat completions with tools, parsed into `Reply`.

Owns the endpoint's settings, its retries, and a name for every way it can fail. Leaves what to
answer the model to `loop`. Bodies are parsed here, strictly: servers that call themselves
compatible send nulls, objects for strings, and pages of HTML.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import openai

from avogit import config
from avogit.errors import AvogitError
from avogit.operators.text import one_line

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


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model wrote it; `arguments` should be a JSON object and may be anything."""

    id: str
    name: str
    arguments: str

    @property
    def valid_arguments(self) -> str:
        """What may be sent back: some servers fail on a history that holds broken JSON."""
        try:
            parsed = parse_json(self.arguments)
        except ValueError:
            return "{}"
        return self.arguments if isinstance(parsed, dict) else "{}"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    broken: str = ""  # why it cannot be used: cut off, or no chat completion at all


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


def parse_json(text: str) -> object:
    """A JSON value. Raises ValueError, also for what is nested too deeply to be parsed."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def clean(text: str) -> str:
    """The text without lone surrogates: JSON can spell them, and nothing can encode them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def parse_reply(body: str) -> Reply:
    """A reply from a response body. Tokens count even where the rest cannot be used."""
    try:
        document = _mapping(parse_json(body))
    except ValueError:
        return Reply(broken="the endpoint's answer is not JSON, or was cut off")
    spent = _mapping(document.get("usage"))
    tokens = (_count(spent.get("prompt_tokens")), _count(spent.get("completion_tokens")))
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices:
        return Reply("", (), *tokens, broken="the endpoint's answer holds no choices")
    choice = _mapping(choices[0])
    message = _mapping(choice.get("message"))
    text = message.get("content")
    cut = choice.get("finish_reason") == "length"
    return Reply(
        clean(text) if isinstance(text, str) else "",
        () if cut else _calls(message.get("tool_calls")),
        *tokens,
        broken="the reply was cut off at the endpoint's length limit" if cut else "",
    )


def _calls(value: object) -> tuple[ToolCall, ...]:
    entries = value if isinstance(value, list) else []
    return tuple(_call(_mapping(entry), number) for number, entry in enumerate(entries))


def _call(entry: Mapping[str, Any], number: int) -> ToolCall:
    function = _mapping(entry.get("function"))
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    name = clean(str(function.get("name")))
    return ToolCall(clean(str(entry.get("id") or f"call-{number}")), name, clean(text))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
