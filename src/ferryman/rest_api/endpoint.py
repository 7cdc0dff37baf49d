"""What a route is, and what it is given: the words in which the table of endpoints is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ferryman.contracts import codes
from ferryman.errors import Refused
from ferryman.rest_api import bodies
from ferryman.rest_api.asking import Asking
from ferryman.rest_api.principal import Principal

if TYPE_CHECKING:
    from ferryman.rest_api.services import Services

OK, CREATED, ACCEPTED, NO_CONTENT, FOUND = 200, 201, 202, 204, 302


@dataclass(slots=True)  # not frozen: one is made for each request, and that would take three times as long
class Request:
    """A request that was let in: of whom, and what it carries. `call_id` follows from its Idempotency-Key."""

    ask: Asking
    services: Services
    who: Principal
    path: dict[str, str]
    query: Any = None
    body: Any = None
    call_id: str = ""
    last_event_id: str = ""  # of a stream that was cut off
    address: str = ""  # of the client
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def tenant(self) -> str:
        """Mno-id; empty for the platform's own staff."""
        return self.who.tenant


type CarryOut = Callable[[Request], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with headers or cookies of its own; each of `cookies` is a whole Set-Cookie value."""

    body: object
    headers: dict[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    `once` asks for an Idempotency-Key. `versioned` shows the object that a change is about: its ETag is what
    If-Match names. A `stream` gives a Response of its own making, of the media type `media`.
    """

    method: str
    path: str
    scope: str
    summary: str
    carry_out: CarryOut
    answer: type | None
    status: int = OK
    query: type = bodies.NoQuery
    body: type | None = None
    once: bool = False
    large: bool = False  # its body may have as many octets as a file
    versioned: CarryOut | None = None
    stream: bool = False
    media: str = "application/json"
    example: Any = None  # of the body

    @property
    def name(self) -> str:
        """Its operationId."""
        return self.carry_out.__name__.strip("_")

    @property
    def area(self) -> str:
        """What it is about: the first word of its path."""
        return self.path.split("/")[1]


class Absent(Refused):
    """There is no such object for this tenant; one of somebody else's is told in the same words.

    They are those of the role that has such objects, as its own operator is told them at the machine.
    """

    def __init__(self, what: str, name: str, remedy: str = "") -> None:
        code = _CODES.get(what, ("", ""))
        super().__init__(*code, f"there is no {what} {name}{remedy}", identifier=name)


_CODES = {  # of objects that SGP.02 knows, or that a role has
    "order": codes.ICCID_UNKNOWN,
    "import": codes.IMPORT_UNKNOWN,
    "profile type": codes.PROFILE_TYPE_UNKNOWN,
    "hook for": codes.PROFILE_TYPE_UNKNOWN,
    "operation": codes.FUNCTION_NOT_ALLOWED,
    "call": codes.FUNCTION_NOT_ALLOWED,
    "entry": codes.FORMAT_INVALID,
    "campaign": codes.FORMAT_INVALID,
    "batch": codes.PROVIDER_ERROR,
}


async def or_absent[B](asked: Awaitable[B], what: str, name: str) -> B:
    """An object of somebody else and one that never was are refused in the same words."""
    try:
        return await asked
    except Refused:
        raise Absent(what, name) from None


def page[T](
    items: tuple[T, ...], name_of: Callable[[T], str], after: str, limit: int
) -> tuple[tuple[T, ...], str]:
    """A page of a short list behind the entry `after`, and the name of its last entry when more follow."""
    start = 0
    if after:
        start = next((n + 1 for n, one in enumerate(items) if name_of(one) == after), 0)
        if not start:
            raise Refused(*codes.FORMAT_INVALID, "after: is no cursor of this list", identifier=after)
    found = items[start : start + limit]
    return found, name_of(found[-1]) if start + limit < len(items) else ""
