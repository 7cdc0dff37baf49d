"""What goes wrong, as an answer: RFC 9457 with the subject and reason codes of SGP.02 5.1.6."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from ferryman.contracts import codes
from ferryman.errors import FerrymanError, Refused, Unavailable
from ferryman.rest_api.bodies import Problem
from ferryman.rest_api.endpoint import Absent

PROBLEM = "application/problem+json"
_CONFLICTS = {"3.3", "3.4", "3.8", "4.2", "4.4", "4.8", "5.1", "5.3", "5.4"}  # reason codes: a state forbids it
_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "No such method",
    408: "Too slow",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Wrong media type",
    422: "Idempotency-Key used before",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}


class No(Exception):
    """A request that is not taken: status, sentence, headers."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


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


def problem_of(raised: No | FerrymanError) -> Response:
    """The answer to what a request ran into."""
    match raised:
        case No():
            return problem(raised.status, raised.detail, headers=raised.headers)
        case Refused():
            status = status_of(raised)
            return problem(status, raised.message, raised.subject, raised.reason, raised.identifier)
        case Unavailable():
            return problem(503, str(raised), headers={"Retry-After": str(max(1, round(raised.retry_after)))})
        case _:
            return problem(400, str(raised), *codes.FORMAT_INVALID)


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
