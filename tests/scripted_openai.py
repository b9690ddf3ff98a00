"""A real HTTP server that speaks enough of OpenAI's chat completions, from a script.

    with ScriptedOpenAI([call("list_files"), call("give_up", reason="no idea")]) as server:
        ... OPENAI_BASE_URL=server.base_url OPENAI_API_KEY=... AVOGIT_MODEL=scripted ...
    server.requests[0]["messages"]

A script is a list of replies, one a request, or a function from the request's body to a reply.
Requests beyond the end of a list get status 500, which no client retries.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

_IDS = itertools.count(1)
_NO_RETRY = {"x-should-retry": "false"}


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. A completion is streamed where that is asked for, unless it is `whole`."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    cut: bool = False  # the connection closes half-way
    stall: bool = False  # half of it, and then nothing until the server is closed
    hang: bool = False  # no answer at all until the server is closed


Script = Sequence[Reply] | Callable[[dict[str, Any]], Reply]


def say(text: str, *, finish: str = "stop", tokens: tuple[int, int] = (100, 10)) -> Reply:
    """Plain text, no tool call."""
    return _completion({"role": "assistant", "content": text}, finish, tokens)


def call(name: str, /, *, tokens: tuple[int, int] = (100, 10), **arguments: Any) -> Reply:
    """One tool call."""
    return calls((name, arguments), tokens=tokens)


def calls(*pairs: tuple[str, dict[str, Any]], tokens: tuple[int, int] = (100, 10)) -> Reply:
    """Several tool calls in one reply."""
    entries = [_tool_call(name, json.dumps(arguments)) for name, arguments in pairs]
    return _with_calls(entries, "tool_calls", tokens)


def bad_call(name: str, arguments: str) -> Reply:
    """A tool call whose arguments are whatever text is given."""
    return _with_calls([_tool_call(name, arguments)], "tool_calls", (100, 10))


def cut_off(name: str = "write_file", arguments: str = '{"path": "kernel.c') -> Reply:
    """A tool call that met the length limit: finish_reason is `length`."""
    return _with_calls([_tool_call(name, arguments)], "length", (100, 4096))


def rate_limited(retry_after_s: float = 0.01) -> Reply:
    """Status 429."""
    return _error(429, "Rate limit reached", {"Retry-After": str(retry_after_s)})


def refused(status: int = 401, message: str = "Incorrect API key provided") -> Reply:
    """Status 401, or another that is not retried."""
    return _error(status, message, {})


def failing(status: int = 500) -> Reply:
    """A server error, retried at once."""
    return _error(status, "The server had an error", {"Retry-After": "0.01"})


def truncated() -> Reply:
    """A body, or a stream, that ends before its Content-Length."""
    return Reply(say("this never arrives whole").body, cut=True)


def stalled() -> Reply:
    """A reply that begins and never ends."""
    return Reply(say("this never arrives whole").body, cut=True, stall=True)


def unstreamed(reply: Reply) -> Reply:
    """A proxy that answers whole, whatever it was asked for."""
    return replace(reply, whole=True)


def events(*chunks: dict[str, Any] | str) -> Reply:
    """A stream of just these chunks."""
    lines = [c if isinstance(c, str) else json.dumps(c) for c in chunks]
    text = "".join(f"data: {line}\n\n" for line in lines)
    return Reply(text.encode(), headers={"Content-Type": "text/event-stream"})


def raw(body: str | bytes, status: int = 200, content_type: str = "application/json") -> Reply:
    """Any body."""
    data = body.encode() if isinstance(body, str) else body
    return Reply(data, status, {"Content-Type": content_type})


def hang() -> Reply:
    """No answer."""
    return Reply(b"", hang=True)


def _tool_call(name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": f"call_{next(_IDS)}", "type": "function", "function": function}


def _with_calls(entries: list[dict[str, Any]], finish: str, tokens: tuple[int, int]) -> Reply:
    message = {"role": "assistant", "content": None, "tool_calls": entries}
    return _completion(message, finish, tokens)


def _completion(message: dict[str, Any], finish: str, tokens: tuple[int, int]) -> Reply:
    document = {
        "id": f"chatcmpl-{next(_IDS)}",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
        },
    }
    return Reply(json.dumps(document).encode())


def _streamed(reply: Reply, options: Mapping[str, Any]) -> Reply:
    """A completion as a stream, in small pieces; anything else as it is."""
    try:
        document = json.loads(reply.body)
    except ValueError:
        return reply
    if not isinstance(document, dict) or document.get("object") != "chat.completion":
        return reply
    (choice,) = document["choices"]
    pieces = [{"delta": delta} for delta in _deltas(choice["message"])]
    pieces.append({"delta": {}, "finish_reason": choice["finish_reason"]})
    head = {"id": document["id"], "object": "chat.completion.chunk", "model": "scripted"}
    chunks = [{**head, "choices": [{"index": 0, **piece}]} for piece in pieces]
    if options.get("include_usage"):
        chunks.append({**head, "choices": [], "usage": document["usage"]})
    made = events(*chunks, "[DONE]")
    return replace(made, cut=reply.cut, stall=reply.stall)


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    text = message["content"] or ""
    for at in range(0, len(text), 8):
        yield {"content": text[at : at + 8]}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        started = {"name": function["name"], "arguments": ""}
        yield {"tool_calls": [{**call, "index": index, "function": started}]}
        arguments = function["arguments"]
        for at in range(0, len(arguments), 16):
            part = {"arguments": arguments[at : at + 16]}
            yield {"tool_calls": [{"index": index, "function": part}]}


def _error(status: int, message: str, headers: Mapping[str, str]) -> Reply:
    document = {"error": {"message": message, "type": "scripted", "code": None}}
    return Reply(json.dumps(document).encode(), status, headers)


class ScriptedOpenAI:
    """The server; a context manager. `requests` and `headers` hold what was asked."""

    def __init__(self, script: Script) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        self._script = script
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ScriptedOpenAI:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply_to(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        """The script's answer; requests are counted in the order in which they came."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            self.headers.append(headers)
        if callable(self._script):
            return self._script(body)
        if number < len(self._script):
            return self._script[number]
        return _error(500, f"the script has only {number} replies", _NO_RETRY)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: ScriptedOpenAI) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = json.loads(self.rfile.read(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.owner.reply_to(body, headers)
        if self.path != "/v1/chat/completions":
            reply = _error(404, f"no such path {self.path}", {})
        if body.get("stream") and not reply.whole:
            reply = _streamed(reply, body.get("stream_options") or {})
        if reply.hang:
            self.server.owner.closing.wait(60)
            self.close_connection = True
            return
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        headers = {"Content-Type": "application/json", **reply.headers}
        headers["Content-Length"] = str(len(reply.body))
        headers["Connection"] = "close"
        try:
            self.send_response(reply.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
            if reply.stall:
                self.wfile.flush()
                self.server.owner.closing.wait(60)
        except ConnectionError:
            pass  # the client gave up waiting
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are kept for the test to look at."""
