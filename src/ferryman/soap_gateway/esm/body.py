"""The one element of a SOAP body to a typed value and back (SGP.02 Annex A)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from lxml import etree

from ferryman.codec import eis_xml
from ferryman.contracts import es1
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus
from ferryman.errors import PeerError
from ferryman.soap_gateway.esm.extension import EXTENSION
from ferryman.soap_gateway.esm.fields import (
    CONDITIONAL_MISSING,
    BodyError,
    local_name,
    namespace,
    read_sequence,
    write_content,
    write_sequence,
)
from ferryman.soap_gateway.esm.fields import element as _element
from ferryman.soap_gateway.esm.functions import (
    BASE_REQUEST,
    BASE_RESPONSE,
    BY_BODY,
    BY_ELEMENT,
    NAMESPACE,
    OLD_NAMESPACE,
    Function,
    Message,
    Shape,
)

NAMESPACES = (NAMESPACE, OLD_NAMESPACE, EXTENSION)
MAX_CALL_ID = 150  # characters of a FunctionCallIdentifier: a column of every role's database holds it
_BEFORE = {
    Shape.REQUEST: BASE_REQUEST,
    Shape.RESPONSE: BASE_RESPONSE,
    Shape.NOTIFICATION: (),
}
_EIS_BODIES = (es1.ES1RegisterEIS,)


@dataclass(frozen=True, slots=True)
class Base:
    """The fields before those of the function; times in seconds since 1970, periods in seconds."""

    call_id: str = ""
    validity: int | None = None
    started: float | None = None
    ended: float | None = None
    acceptable_validity: int | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message as read."""

    function: Function
    message: Message
    body: Body
    base: Base = field(default_factory=Base)


def find(element: etree._Element, namespaces: tuple[str, ...] = NAMESPACES) -> tuple[Function, Message] | None:
    """What the element is; None when no function has it, or it stands in a namespace that is not accepted."""
    space = namespace(element)
    found = BY_ELEMENT.get(local_name(element))
    if found is None or space not in namespaces:
        return None
    return found if (found[0].space or NAMESPACE) == (space if space == EXTENSION else NAMESPACE) else None


def decode(element: etree._Element) -> Decoded:
    """The typed message of an element that `find` knows; raises BodyError."""
    found = BY_ELEMENT.get(local_name(element))
    if found is None:
        raise BodyError("is no message of the interfaces", field=local_name(element))
    function, message = found
    fields = (*_BEFORE[message.shape], *message.fields)
    if message.shape is Shape.RESPONSE:
        element = _without_empty_results(element, message)
    values = read_sequence(element, fields)
    base = Base(**{key: values.pop(key) for key in _BASE_KEYS & values.keys()})
    if len(base.call_id) > MAX_CALL_ID or (message.shape is Shape.REQUEST and not base.call_id.strip()):
        raise BodyError(f"is empty or has more than {MAX_CALL_ID} characters", field="FunctionCallIdentifier")
    if base.acceptable_validity is not None:
        acceptable = float(base.acceptable_validity)
        values["status"] = msgspec.structs.replace(values["status"], acceptable_validity=acceptable)
    if message.body in _EIS_BODIES:
        values = _whole(element, values["eis"])
    body = message.body(**values)
    _check(message.element, values)
    return Decoded(function, message, body, base)


def _without_empty_results(element: etree._Element, message: Message) -> etree._Element:
    """A response without result elements that are empty: the recovered schema has them even where a call failed.

    An AID or an EIS that is empty says that there is none.
    """
    names = {field.name for field in message.fields}
    empty = [
        place
        for place, child in enumerate(element)
        if local_name(child) in names and not len(child) and not (child.text or "").strip()
    ]
    if not empty:
        return element
    element = copy.deepcopy(element)
    for place in reversed(empty):
        element.remove(element[place])
    return element


_BASE_KEYS = frozenset(item.key for item in (*BASE_REQUEST, *BASE_RESPONSE)) - {"status"}


def _whole(element: etree._Element, eis: Any) -> dict[str, Any]:
    """RegisterEIS goes on as the octets it came in: the EUM has signed a part of them."""
    try:
        xml = eis_xml.canonical(element, local_name(element))
    except PeerError as problem:
        raise BodyError(problem.reason, field=local_name(element)) from None
    return {"eid": eis.eid, "eum_id": eis.eum_id, "xml": xml}


def _check(name: str, values: dict[str, Any]) -> None:
    """What the schema cannot say."""
    if name == "ES2-DownloadProfileRequest" and not values.get("iccid") and not values.get("profile_type"):
        raise BodyError("or ProfileType must be given", field="Iccid", code=CONDITIONAL_MISSING)


def encode(body: Body, base: Base | None = None, *, target: str = NAMESPACE, full: bool = False) -> str:
    """The element of a message, in the strict form; a status is that of `body`; `full` as in `write_sequence`."""
    base = base or Base()
    function, message = BY_BODY[type(body)]
    if isinstance(body, es1.ES1RegisterEIS):
        return body.xml.decode("utf-8")
    parts = [f'<{message.element} xmlns="{function.space or target}">']
    if message.shape is Shape.REQUEST:
        parts.append(write_sequence(base, BASE_REQUEST))
    elif message.shape is Shape.RESPONSE:
        status: ExecutionStatus = getattr(body, "status")  # noqa: B009 - every response has one
        if status.acceptable_validity >= 1.0:
            base = replace(base, acceptable_validity=int(status.acceptable_validity))
        parts.append(write_sequence(base, BASE_RESPONSE[:-1]))
        parts.append(_element("FunctionExecutionStatus", write_content(BASE_RESPONSE[-1].kind, status)))
    parts.append(write_sequence(body, message.fields, full=full))
    parts.append(f"</{message.element}>")
    return "".join(parts)
