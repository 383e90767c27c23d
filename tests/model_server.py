"""A language model's server on loopback that speaks OpenAI's chat completions, streamed, and can fail in many ways."""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

HANG = "hang"
CUT = "cut"


@dataclass
class Endpoint:
    """Streams `pieces`, or answers with `status`; remembers the requests. May be changed while it serves.

    Attributes:
        pieces: what it writes. A piece `HANG` never comes; at `CUT` the connection is dropped.
        error: what it says where `status` is no 200; "{prompt}" stands for what it was sent.
        body: sent in place of all events, as it is.
        chunked: whether it sends in chunks of HTTP/1.1, so that an end can be told from a dropped connection.
        usage: how many tokens it says that it read and wrote, where it is asked to tell.
        refuses_usage: whether it refuses requests that ask for that.
        headers: that it sends along.
        keeps: whether it keeps a connection open for the next request; goes with `chunked`.
        n_open: connections that are open.
    """

    pieces: Iterable[str] = ()
    status: int = 200
    error: str = "out of memory"
    body: Iterable[bytes] | None = None
    chunked: bool = False
    usage: tuple[int, int] | None = None
    refuses_usage: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    keeps: bool = False
    n_open: int = 0
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    url: str = ""
    closing: Event = field(default_factory=Event)


def chunk(delta: dict[str, str], *, finish_reason: str | None = None) -> dict[str, Any]:
    """An event that brings a piece, or says that there are no more."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny", "choices": [choice]}


def usage_chunk(read: int, written: int) -> dict[str, Any]:
    """The event that tells how many tokens there were."""
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny", "choices": [], "usage": usage}


class Handler(BaseHTTPRequestHandler):
    """Answers the requests to an self.endpoint."""

    endpoint: Endpoint

    def setup(self) -> None:
        super().setup()
        self.endpoint.n_open += 1

    def finish(self) -> None:
        super().finish()
        self.endpoint.n_open -= 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.endpoint.requests.append((self.path, headers, body))
        asks_for_usage = "stream_options" in body
        status = 400 if self.endpoint.refuses_usage and asks_for_usage else self.endpoint.status
        self.close_connection = not self.endpoint.keeps
        try:
            self.begin(status)
            if status != 200:
                self.send_error_of(body)
            else:
                self.send_pieces(asks_for_usage)
        except OSError:
            """Whoever asked has gone."""

    def begin(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if status == 200 else "application/json")
        for name, value in self.endpoint.headers.items():
            self.send_header(name, value)
        if self.endpoint.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_error_of(self, body: dict[str, Any]) -> None:
        prompt = body["messages"][-1]["content"]
        message = self.endpoint.error.replace("{prompt}", prompt)
        self.send(json.dumps({"error": {"message": message, "type": "server_error"}}).encode())
        self.send(b"")

    def send_pieces(self, tell_usage: bool) -> None:
        if self.endpoint.body is not None:
            for data in self.endpoint.body:
                self.send(data)
            self.send(b"")
            return
        for piece in self.endpoint.pieces:
            if piece == HANG:
                self.endpoint.closing.wait()
            if piece in (HANG, CUT):
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_event(chunk({"content": piece}))
        self.send_event(chunk({}, finish_reason="stop"))
        if self.endpoint.usage is not None and tell_usage:
            self.send_event(usage_chunk(*self.endpoint.usage))
        self.send(b"data: [DONE]\n\n")
        self.send(b"")

    def send_event(self, event: dict[str, Any]) -> None:
        self.send(f"data: {json.dumps(event)}\n\n".encode())

    def send(self, data: bytes) -> None:
        """Send; nothing is the end."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if self.endpoint.chunked else data)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def handler_of(endpoint: Endpoint) -> type[Handler]:
    """What answers the requests to this endpoint."""
    protocol = "HTTP/1.1" if endpoint.chunked else "HTTP/1.0"
    return type("HandlerOfOne", (Handler,), {"endpoint": endpoint, "protocol_version": protocol})


@contextmanager
def serving(endpoint: Endpoint, *, port: int = 0) -> Iterator[Endpoint]:
    """The endpoint listens, on a free port if none is given; its `url` says where."""
    with ThreadingHTTPServer(("127.0.0.1", port), handler_of(endpoint)) as server:
        endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.closing.set()
            server.shutdown()
            thread.join()
