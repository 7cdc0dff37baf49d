"""The application: each request is let in by key and right, read within its limits, carried out, answered."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Route

from ferryman.contracts import codes
from ferryman.errors import InputError, PeerError, Refused, Unavailable
from ferryman.rest_api.asking import Asking
from ferryman.rest_api.bodies import Problem
from ferryman.rest_api.endpoints import ENDPOINTS, Absent, Endpoint, Request
from ferryman.rest_api.keys import KeyBook
from ferryman.rest_api.openapi import IDEMPOTENCY, PREFIX, PROBLEM, document
from ferryman.rest_api.rights import may
from ferryman.rest_api.settings import RESTSettings

_NAMES = {"eid": re.compile(r"[0-9]{32}")}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_KEY = re.compile(r"[!-~]{1,100}")
_CONFLICTS = {"3.3", "3.4", "3.8", "4.2", "4.4", "4.8", "5.1", "5.3", "5.4"}  # reason codes: a state forbids it
_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "No such method",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    415: "Wrong media type",
    422: "Idempotency-Key used before",
    500: "Internal error",
    503: "Not available",
}

log = structlog.get_logger("ferryman.rest_api")


class _No(Exception):
    """A request that is not taken: status, sentence, headers."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def make_app(*, ask: Asking, keys: KeyBook, settings: RESTSettings) -> Starlette:
    """The ASGI application."""
    described = msgspec.json.encode(document())

    async def openapi(_: HTTPRequest) -> Response:
        return Response(described, media_type="application/json")

    # A fixed word before a name in its place: /scripts/rollback is none of the others.
    routes = [
        Route(PREFIX + one.path, _handler(one, ask, keys, settings), methods=[one.method], name=one.name)
        for one in ENDPOINTS
    ]
    routes.append(Route(f"{PREFIX}/openapi.json", openapi, methods=["GET"]))
    return Starlette(
        routes=_together(routes), exception_handlers={HTTPException: _of_framework, Exception: _broken}
    )


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


type Handler = Callable[[HTTPRequest], Awaitable[Response]]


def _handler(endpoint: Endpoint, ask: Asking, keys: KeyBook, settings: RESTSettings) -> Handler:
    decoder: msgspec.json.Decoder[object] | None = (
        msgspec.json.Decoder(endpoint.body) if endpoint.body is not None else None
    )

    async def carry_out(http: HTTPRequest) -> Response:
        scheme, _, token = http.headers.get("authorization", "").partition(" ")
        holder = await keys.holder(token.strip()) if scheme.lower() == "bearer" else None
        if holder is None:
            raise _No(401, "show a valid API key as Authorization: Bearer", WWW_Authenticate="Bearer")
        if not may(holder, endpoint.scope):
            raise Refused(*codes.REQUESTER_NOT_ALLOWED, f"this key does not have the right {endpoint.scope}")
        path = {name: str(value) for name, value in http.path_params.items()}
        for name, value in path.items():
            if not _NAMES.get(name, _NAME).fullmatch(value):
                raise _No(404, f"there is no such {name}")
        query = _query(http, endpoint)
        key = _idempotency_key(http) if endpoint.once else ""
        body, call_id = None, ""
        if decoder is not None:
            if http.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                raise _No(415, "the body must be application/json")
            body = decoder.decode(await _read(http, settings))
            if key:
                canonical = msgspec.json.encode((http.method, http.url.path, body))
                call_id = await keys.first_use(holder.tenant, key, hashlib.sha256(canonical).digest())
        asked = Request(ask=ask, tenant=holder.tenant, path=path, query=query, body=body, call_id=call_id)
        answer = await endpoint.carry_out(asked)
        return Response(msgspec.json.encode(answer), endpoint.status, media_type="application/json")

    async def answered(http: HTTPRequest) -> Response:
        try:
            return await carry_out(http)
        except _No as no:
            return problem(no.status, no.detail, headers=no.headers)
        except msgspec.MsgspecError as wrong:
            return problem(400, str(wrong), *codes.FORMAT_INVALID)
        except Refused as refusal:
            status = status_of(refusal)
            return problem(status, refusal.message, refusal.subject, refusal.reason, refusal.identifier)
        except (InputError, PeerError) as wrong:
            return problem(400, str(wrong), *codes.FORMAT_INVALID)
        except Unavailable as away:
            return problem(503, str(away), headers={"Retry-After": str(max(1, round(away.retry_after)))})

    return answered


def status_of(refusal: Refused) -> int:
    """The HTTP status of a refusal, from its codes."""
    if isinstance(refusal, Absent):
        return 404
    if (refusal.subject, refusal.reason) == codes.CALL_ID_REUSED:
        return 422
    if refusal.reason in ("1.1", "1.2"):
        return 403
    if refusal.reason == "3.9":
        return 404
    return 409 if refusal.reason in _CONFLICTS else 400


def problem(
    status: int,
    detail: str,
    subject: str = "",
    reason: str = "",
    identifier: str = "",
    headers: dict[str, str] | None = None,
) -> Response:
    """An answer as in RFC 9457."""
    body = Problem(
        title=_TITLES.get(status, "Error"),
        status=status,
        detail=detail,
        subject=subject,
        reason=reason,
        identifier=identifier,
    )
    return Response(msgspec.json.encode(body), status, headers=headers, media_type=PROBLEM)


def _query(http: HTTPRequest, endpoint: Endpoint) -> object:
    given = http.query_params.multi_items()
    if len({name for name, _ in given}) != len(given):
        raise _No(400, "a parameter is given twice")
    return msgspec.convert(dict(given), type=endpoint.query, strict=False)


def _idempotency_key(http: HTTPRequest) -> str:
    key = http.headers.get(IDEMPOTENCY, "")
    if not _KEY.fullmatch(key):
        raise _No(400, f"{IDEMPOTENCY}: needed here, 1 to 100 visible ASCII characters")
    return key


async def _read(http: HTTPRequest, settings: RESTSettings) -> bytes:
    """The body within its limits of size and time; what is too long is not read to its end."""
    too_large = _No(413, f"the body has more than {settings.max_body} octets", Connection="close")
    length = http.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > settings.max_body:
        raise too_large
    received = bytearray()
    try:
        async with asyncio.timeout(settings.body_timeout):
            async for chunk in http.stream():
                received += chunk
                if len(received) > settings.max_body:
                    raise too_large
    except TimeoutError:
        raise _No(408, "the body did not come in time", Connection="close") from None
    except ClientDisconnect:
        raise _No(400, "the body ended early") from None
    return bytes(received)


async def _of_framework(_: HTTPRequest, raised: Exception) -> Response:
    if not isinstance(raised, HTTPException):
        raise raised
    return problem(raised.status_code, raised.detail, headers=dict(raised.headers or {}))


async def _broken(http: HTTPRequest, raised: Exception) -> Response:
    log.error("request failed", method=http.method, problem=type(raised).__name__)
    return problem(500, "this is a fault of the platform; it was written to its log")
