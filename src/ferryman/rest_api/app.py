"""The application: each request is let in by key and right, read within its limits, carried out, answered."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferryman.contracts import codes
from ferryman.errors import FerrymanError, Refused
from ferryman.platform.mailbox import Tx
from ferryman.rest_api import trail
from ferryman.rest_api.admission import Admission
from ferryman.rest_api.answers import No, problem, problem_of
from ferryman.rest_api.endpoint import Endpoint, Reply, Request
from ferryman.rest_api.endpoints import ENDPOINTS
from ferryman.rest_api.finding import Finder
from ferryman.rest_api.incoming import Incoming, Whole, send_off
from ferryman.rest_api.openapi import IDEMPOTENCY, PREFIX, document
from ferryman.rest_api.places import Places
from ferryman.rest_api.principal import Principal
from ferryman.rest_api.services import Services
from ferryman.rest_api.tags import etag_of, names
from ferryman.rest_api.turns import Turns
from ferryman.rest_api.watching import Seen, Watch

HEALTH = "/healthz"
REQUEST_ID = b"x-request-id"
NO_STORE, NO_SNIFF = (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")
_IDEMPOTENCY = IDEMPOTENCY.lower().encode()
_NAMES = {"eid": re.compile(r"[0-9]{32}")}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_KEY = re.compile(r"[!-~]{1,100}")
NO_NUL = "no text holds U+0000"  # PostgreSQL keeps none, and no name of anything has one
_NUL_ESCAPED = b"\\u0000"  # in JSON it stands in no other way; behind a backslash this may also mean itself

log = structlog.get_logger("ferryman.rest_api")


def make_app(services: Services, watch: Watch) -> Starlette:
    """The ASGI application."""
    described = msgspec.json.encode(document())
    admission = Admission(
        settings=services.settings, clock=services.clock, keys=services.keys, sessions=services.sessions
    )

    turns, places = Turns(), Places(services.settings.max_uploads)

    async def openapi(_: HTTPRequest) -> Response:
        return Response(described, media_type="application/json")

    async def alive(_: HTTPRequest) -> Response:
        return Response("alive\n", media_type="text/plain")

    # A fixed word before a name in its place: /scripts/rollback is none of the others.
    served = [(one, Handling(one, services, admission, watch, turns, places).answer) for one in ENDPOINTS]
    routes = [Route(PREFIX + one.path, _framed(handler), methods=[one.method]) for one, handler in served]
    finder = Finder[Answer](
        (route, method, handler)
        for (_, handler), route in zip(served, routes, strict=True)
        for method in sorted(route.methods or ())
    )
    routes.append(Route(f"{PREFIX}/openapi.json", openapi, methods=["GET"]))
    routes.append(Route(HEALTH, alive, methods=["GET"]))
    return App(
        finder,
        Strays(services, admission, watch).serve,
        routes=_together(routes),
        exception_handlers={HTTPException: _of_framework, Exception: _broken},
    )


type Stray = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]
type Handler = Callable[[HTTPRequest], Awaitable[Response]]
type Answer = Callable[[Incoming], Awaitable[Response]]


def _framed(answer: Answer) -> Handler:
    """For what comes by way of Starlette's router."""

    async def handler(request: HTTPRequest) -> Response:
        return await answer(Incoming(request.scope, request.receive))

    return handler


class App(Starlette):
    """Starlette, with a shorter way to the endpoints that a finder finds."""

    def __init__(self, finder: Finder[Answer], stray: Stray, **more: Any) -> None:
        super().__init__(**more)
        self._finder = finder
        self._stray = stray

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._finder.find(scope)
        if found is None:
            await self._stray(super().__call__, scope, receive, send)
            return
        answer, scope["path_params"] = found
        try:
            response = await answer(Incoming(scope, receive))
        except HTTPException as raised:
            response = await _of_framework(None, raised)
        except Exception as raised:
            await (await _broken(None, raised))(scope, receive, send)
            raise  # as Starlette does: the server's log has it, and tests see it
        await send_off(response, scope, receive, send)


def _together(routes: list[Route]) -> list[Route]:
    """One route for each path, so that a wrong method is answered with all methods that there are."""
    paths: dict[str, list[Route]] = {}
    for route in routes:
        paths.setdefault(route.path, []).append(route)
    made = []
    for path, same in paths.items():
        by_method = {
            method: route.endpoint for route in same for method in route.methods or () if method != "HEAD"
        }

        async def serve(request: HTTPRequest, by_method: dict[str, Handler] = by_method) -> Response:
            return await by_method["GET" if request.method == "HEAD" else request.method](request)

        made.append(Route(path, serve, methods=sorted(by_method)))
    return made


class Strays:
    """Requests that no endpoint is for: written down and limited like every other one."""

    def __init__(self, services: Services, admission: Admission, watch: Watch) -> None:
        self._services = services
        self._admission = admission
        self._watch = watch

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` answer; who looks at a server's health is never kept waiting, and fills no log."""
        if scope["type"] != "http" or scope["path"] == HEALTH:
            await app(scope, receive, send)
            return
        scope.setdefault("path_params", {})
        http, status = Incoming(scope, receive), 500
        address = self._admission.address(http)
        seen = self._watch.stray(http, address, self._services.entropy(8).hex())

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            self._admission.meet(address)
            await app(scope, receive, sending)
        except No as refusal:
            await problem_of(refusal)(scope, receive, sending)
        finally:
            self._watch.end(seen, status)


class Handling:
    """One endpoint at work."""

    def __init__(
        self,
        endpoint: Endpoint,
        services: Services,
        admission: Admission,
        watch: Watch,
        turns: Turns,
        places: Places,
    ) -> None:
        self._endpoint = endpoint
        self._services = services
        self._admission = admission
        self._watch = watch
        self._turns = turns
        self._places = places
        self._decoder: msgspec.json.Decoder[object] | None = (
            msgspec.json.Decoder(endpoint.body) if endpoint.body is not None else None
        )
        self._elsewhere = trail.is_carried_out_elsewhere(endpoint)
        self._no_query: object = msgspec.convert({}, type=endpoint.query)

    async def answer(self, http: Incoming) -> Response:
        """The answer, whatever happens; it is written to the access log and counted."""
        request_id = self._services.entropy(8).hex()
        seen = self._watch.begin(self._endpoint, http, self._admission.address(http), request_id)
        try:
            response = await self._carry_out(http, seen)
        except (No, FerrymanError) as raised:
            response = problem_of(raised)
        except Exception as raised:
            log.error(
                "request failed", route=self._endpoint.name, request=request_id, problem=type(raised).__name__
            )
            self._watch.end(seen, 500)
            raise
        headers = response.raw_headers
        if b"cache-control" not in [name for name, _ in headers]:
            headers.append(NO_STORE)
        headers += ((REQUEST_ID, request_id.encode()), NO_SNIFF)
        self._watch.end(seen, response.status_code)
        return response

    async def _carry_out(self, http: Incoming, seen: Seen) -> Response:
        endpoint = self._endpoint
        who = await self._admission.admit(http, endpoint, seen.address)
        seen.is_from(who.actor)
        path = http.path_params
        for name, value in path.items():
            if not _NAMES.get(name, _NAME).fullmatch(value):
                raise No(404, f"there is no such {name}")
        query = _query(http, endpoint) if http.scope["query_string"] else self._no_query
        key = _idempotency_key(http) if endpoint.once else ""
        if not endpoint.large:
            return await self._with_body(http, seen, who, query, key)
        with self._places.one(who.party):
            return await self._with_body(http, seen, who, query, key)

    async def _with_body(self, http: Incoming, seen: Seen, who: Principal, query: object, key: str) -> Response:
        endpoint, services, path = self._endpoint, self._services, http.path_params
        body, call_id = None, ""
        if self._decoder is not None:
            settings = services.settings
            limit = settings.max_upload if endpoint.large else settings.max_body
            raw = await _read(http, limit, settings.body_timeout)
            try:
                body = self._decoder.decode(raw)
            except (msgspec.MsgspecError, RecursionError) as wrong:  # the latter: brackets by the thousand
                raise Refused(*codes.FORMAT_INVALID, f"body: {wrong}") from None
            if _NUL_ESCAPED in raw and _has_nul(msgspec.json.decode(raw)):
                raise Refused(*codes.FORMAT_INVALID, f"body: {NO_NUL}")
        if key:
            canonical = msgspec.json.encode((http.method, http.path, body))
            fingerprint = hashlib.sha256(canonical).digest()

            def noted(tx: Tx, call_id: str) -> None:
                if self._elsewhere:
                    trail.record(endpoint, who, path, body, call_id)(tx)

            call_id = await services.keys.first_use(who.party, key, fingerprint, noted=noted)
        elif self._elsewhere:
            await services.mailbox.transact(trail.record(endpoint, who, path, body, ""))
        asked = Request(
            ask=services.ask,
            services=services,
            who=who,
            path=path,
            query=query,
            body=body,
            call_id=call_id,
            last_event_id=http.field(b"last-event-id"),
            address=seen.address,
            cookies=http.cookies,
        )
        return await self._under_condition(http, asked)

    async def _under_condition(self, http: Incoming, asked: Request) -> Response:
        """Carry out what If-Match allows; two changes of one object under a condition take turns."""
        versioned, condition = self._endpoint.versioned, http.field(b"if-match")
        if versioned is None or not condition:
            return self._made(http, await self._endpoint.carry_out(asked))
        async with self._turns.of((versioned.__name__, *asked.path.values())):
            if not names(condition, etag_of(msgspec.json.encode(await versioned(asked)))):
                raise No(412, "the object is not what If-Match names any more: look at it again")
            return self._made(http, await self._endpoint.carry_out(asked))

    def _made(self, http: Incoming, answer: object) -> Response:
        endpoint = self._endpoint
        if isinstance(answer, Response):
            return answer
        reply = answer if isinstance(answer, Reply) else None
        body = answer if reply is None else reply.body
        if body is None:
            made = Response(status_code=endpoint.status)
        else:
            made = self._shown(http, msgspec.json.encode(body))
        if reply is not None:
            for name, value in reply.headers.items():
                made.headers[name] = value
            for cookie in reply.cookies:
                made.headers.append("Set-Cookie", cookie)
        return made

    def _shown(self, http: Incoming, raw: bytes) -> Response:
        """A body; of what can be asked for again with its tag, or without itself where the tag is known."""
        if self._endpoint.method != "GET":
            return Whole(raw, self._endpoint.status)
        tag = etag_of(raw)
        known = http.field(b"if-none-match")
        if known and names(known, tag, weak=True):
            made = Response(status_code=304)
        else:
            made = Whole(raw, self._endpoint.status)
        made.raw_headers.append((b"etag", tag.encode()))
        return made


def _query(http: Incoming, endpoint: Endpoint) -> object:
    given = http.parameters
    if len({name for name, _ in given}) != len(given):
        raise No(400, "a parameter is given twice")
    if any("\0" in value for _, value in given):
        raise Refused(*codes.FORMAT_INVALID, f"parameters: {NO_NUL}")
    try:
        return msgspec.convert(dict(given), type=endpoint.query, strict=False)
    except msgspec.ValidationError as wrong:
        raise Refused(*codes.FORMAT_INVALID, f"parameters: {wrong}") from None


def _has_nul(value: object) -> bool:
    """Whether a text of a decoded body has U+0000; without a recursion, which who nests it would choose."""
    left = [value]
    while left:
        match left.pop():
            case str() as text if "\0" in text:
                return True
            case dict() as pairs:
                left += [*pairs, *pairs.values()]
            case list() as entries:
                left += entries
    return False


def _idempotency_key(http: Incoming) -> str:
    key = http.field(_IDEMPOTENCY)
    if not _KEY.fullmatch(key):
        raise No(400, f"{IDEMPOTENCY}: needed here, 1 to 100 visible ASCII characters")
    return key


async def _read(http: Incoming, limit: int, seconds: float) -> bytes:
    """The body within its limits of size and time; what is too long is not read to its end."""
    if http.field(b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise No(415, "the body must be application/json")
    too_large = No(413, f"the body has more than {limit} octets", Connection="close")
    length = http.field(b"content-length")
    if length.isdecimal() and int(length[:20]) > limit:
        raise too_large
    received = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in http.stream():
                received += chunk
                if len(received) > limit:
                    raise too_large
    except TimeoutError:
        raise No(408, "the body did not come in time", Connection="close") from None
    except ClientDisconnect:
        raise No(400, "the body ended early") from None
    return bytes(received)


async def _of_framework(_: HTTPRequest | None, raised: Exception) -> Response:
    if not isinstance(raised, HTTPException):
        raise raised
    return problem(raised.status_code, raised.detail, headers=dict(raised.headers or {}))


async def _broken(_: HTTPRequest | None, raised: Exception) -> Response:
    del raised  # written to the log where it was caught
    return problem(500, "this is a fault of the platform; it was written to its log")
