"""A request as it came, and an answer as it goes: of ASGI no more than an endpoint needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ferryman.rest_api.protocol import WHOLE

JSON = b"application/json"


class Incoming:
    """Head and body of a request. Of a field that is there twice the first one counts."""

    __slots__ = ("_fields", "_receive", "method", "path", "path_params", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.path_params: dict[str, str] = scope["path_params"]
        self._fields: dict[bytes, bytes] = dict(reversed(scope["headers"]))

    def field(self, name: bytes) -> str:
        """A header field by its name in small letters; empty when there is none."""
        value = self._fields.get(name)
        return "" if value is None else value.decode("latin-1")

    @property
    def host(self) -> str:
        """The address at the other end of the connection; empty when there is none."""
        client = self.scope.get("client")
        return client[0] if client else ""

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies by name."""
        return HTTPRequest(self.scope).cookies if b"cookie" in self._fields else {}

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """Names and values of the query, in their order."""
        return HTTPRequest(self.scope).query_params.multi_items() if self.scope["query_string"] else []

    def stream(self) -> AsyncGenerator[bytes]:
        """The body in pieces; raises ClientDisconnect."""
        return HTTPRequest(self.scope, self._receive).stream()


class Whole(Response):
    """An answer whose octets are there."""

    def __init__(self, body: bytes, status: int, media: bytes = JSON) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", media)]


async def send_off(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer: at once where the server can do that, in ASGI's messages elsewhere."""
    if isinstance(response, Whole):
        extensions = scope.get("extensions") or {}
        write = extensions.get(WHOLE)
        if write is not None and write(response.status_code, response.raw_headers, response.body):
            return
    await response(scope, receive, send)
