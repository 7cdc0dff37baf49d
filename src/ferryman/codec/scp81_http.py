"""Remote administration over HTTP, GlobalPlatform Amendment B and SGP.02 v3.2 (ES5 over SCP81).

Requests of an eUICC become `AdminRequest`, answers are values of `AdminResponse` that this module turns into
a status and header fields. Framing (where a message ends) is done elsewhere; here a message is already whole.
Cards differ from the text: lower-case names, `//aaid/` for `//aa-id/`, an agent identifier of digits only.
What a card may not do is say one thing twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec

from ferryman.errors import PeerError

CLAUSE: Final = "GP Amendment B"
PROTOCOL: Final = "globalplatform-remote-admin/1.0"
CONTENT_TYPE_COMMAND: Final = "application/vnd.globalplatform.card-content-mgt;version=1.0"
CONTENT_TYPE_RESPONSE: Final = "application/vnd.globalplatform.card-content-mgt-response;version=1.0"
NOTIFICATION_PARAMETER: Final = "msg"  # SGP.02 HandleDefaultNotification over HTTPS
MAX_URI_OCTETS: Final = 2_048  # octets: a stored URI plus a notification in hexadecimal is under 400
RID_OCTETS: Final = 5  # octets: the part of an AID before the slash
MIN_AID_OCTETS: Final = 5  # octets: ISO/IEC 7816-4
MAX_AID_OCTETS: Final = 16  # octets: ISO/IEC 7816-4

_PROTOCOL_NAME: Final = "globalplatform-remote-admin/1."
_EID: Final = re.compile(r"[0-9]{32}")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_SE_ID_EID: Final = "//se-id/eid/"
_AGENT_FORMS: Final = ("//aa-id/aid/", "//aaid/aid/")  # the second is a slip of real cards
_TARGET_FORM: Final = "//aid/"


class ScriptStatus(Enum):
    """X-Admin-Script-Status; UNKNOWN stands for a value we have no name for, its text is kept beside it."""

    OK = "ok"
    UNKNOWN_APPLICATION = "unknown-application"
    NOT_A_SECURITY_DOMAIN = "not-a-security-domain"
    SECURITY_ERROR = "security-error"
    UNKNOWN = ""


class AdminFrom(msgspec.Struct, frozen=True, gc=False):
    """X-Admin-From: the text, and the EID and AID of the administration agent when it has them."""

    text: str
    eid: str | None = None
    agent_aid: bytes | None = None


class AdminRequest(msgspec.Struct, frozen=True, gc=False):
    """One POST of a card.

    `uri` as sent, with query; `notification` the E1 TLV of `msg=` in the query or None; `script_status` None
    on a first request, with `script_status_text` as sent; `body` the response script, empty when absent.
    """

    uri: str
    protocol: str
    admin_from: AdminFrom
    host: str = ""
    script_status: ScriptStatus | None = None
    script_status_text: str = ""
    resume: bool = False
    content_type: str | None = None
    notification: bytes | None = None
    body: bytes = b""


class AdminResponse(msgspec.Struct, frozen=True, gc=False):
    """One answer to a card; use `script`, `end` or `wait` to make one.

    With a body it is 200: run the script in `target_aid` (None = the ISD-R) and POST the result to
    `next_uri`, or end after it when that is None. Without a body it is 204: the session is over, or goes on
    at `next_uri`.
    """

    body: bytes = b""
    next_uri: str | None = None
    target_aid: bytes | None = None
    content_type: str = CONTENT_TYPE_COMMAND

    def __post_init__(self) -> None:
        if self.next_uri is not None:
            _check_next_uri(self.next_uri)
        if self.target_aid is not None and not MIN_AID_OCTETS <= len(self.target_aid) <= MAX_AID_OCTETS:
            raise ValueError(f"target AID of {len(self.target_aid)} octets")

    @classmethod
    def script(cls, body: bytes, *, next_uri: str | None, target_aid: bytes | None) -> AdminResponse:
        """A script to run; `next_uri` None when the card shall not send its result."""
        if not body:
            raise ValueError("a script cannot be empty")
        return cls(body=body, next_uri=next_uri, target_aid=target_aid)

    @classmethod
    def end(cls) -> AdminResponse:
        """No more work: the card closes the session."""
        return cls()

    @classmethod
    def wait(cls, next_uri: str) -> AdminResponse:
        """Nothing now, but the session stays open and the card posts to `next_uri` later."""
        return cls(next_uri=next_uri)

    @property
    def status(self) -> int:
        """200 with a script, 204 without."""
        return 200 if self.body else 204

    @property
    def ends_session(self) -> bool:
        """True when the card has nothing more to send after this answer."""
        return self.next_uri is None


def interpret(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> AdminRequest:
    """A whole HTTP request as a request of a card; raises PeerError when it breaks a rule of Amendment B.

    `headers` are name and value in any case; other header fields than those of Amendment B are ignored.
    """
    if method != "POST":
        raise PeerError("a card sends POST only", field="method", clause=CLAUSE)
    _check_request_uri(target)
    fields = _collect(headers)
    protocol = fields.get("x-admin-protocol")
    if protocol is None or not protocol.lower().startswith(_PROTOCOL_NAME):
        raise PeerError(f"must be {PROTOCOL}", field="X-Admin-Protocol", clause=CLAUSE)
    sender = fields.get("x-admin-from")
    if not sender:
        raise PeerError("missing", field="X-Admin-From", clause=CLAUSE)
    status_text = fields.get("x-admin-script-status")
    return AdminRequest(
        uri=target,
        protocol=protocol,
        admin_from=parse_admin_from(sender),
        host=fields.get("host", ""),
        script_status=None if status_text is None else _script_status(status_text),
        script_status_text=status_text or "",
        resume=_resume(fields.get("x-admin-resume")),
        content_type=fields.get("content-type"),
        notification=_notification(target),
        body=body,
    )


def parse_admin_from(text: str) -> AdminFrom:
    """Reads X-Admin-From; a value without `//` is an agent identifier of the card's own, kept as text.

    Raises PeerError when a part that claims to be an EID or an AID is none, or one comes twice.
    """
    eid: str | None = None
    agent_aid: bytes | None = None
    for part in text.split(";"):
        piece = part.strip(" \t")
        lower = piece.lower()
        if lower.startswith(_SE_ID_EID):
            value = piece[len(_SE_ID_EID) :]
            if eid is not None or not _EID.fullmatch(value):
                raise PeerError("no single EID of 32 digits", field="X-Admin-From", clause=CLAUSE)
            eid = value
            continue
        for form in _AGENT_FORMS:
            if lower.startswith(form):
                if agent_aid is not None:
                    raise PeerError("two agent AIDs", field="X-Admin-From", clause=CLAUSE)
                agent_aid = _aid_of(piece[len(form) :], "X-Admin-From")
    return AdminFrom(text, eid, agent_aid)


def parse_aid_uri(text: str) -> bytes:
    """The AID in `//aid/<RID>/<PIX>`; raises PeerError."""
    if not text.lower().startswith(_TARGET_FORM):
        raise PeerError("no //aid/ form", field="AID", clause=CLAUSE)
    return _aid_of(text[len(_TARGET_FORM) :], "AID")


def aid_path(aid: bytes) -> str:
    """`<RID>/<PIX>` in upper-case hexadecimal."""
    return f"{aid[:RID_OCTETS].hex().upper()}/{aid[RID_OCTETS:].hex().upper()}"


def aid_uri(aid: bytes) -> str:
    """X-Admin-Targeted-Application of an AID."""
    return f"{_TARGET_FORM}{aid_path(aid)}"


def admin_from(eid: str, agent_aid: bytes) -> str:
    """X-Admin-From in the form of the text, as stored in a card at personalisation."""
    return f"{_SE_ID_EID}{eid};{_AGENT_FORMS[0]}{aid_path(agent_aid)}"


def response_headers(response: AdminResponse) -> list[tuple[str, str]]:
    """The header fields of an answer in the order and case that cards know, without those of framing."""
    fields = [("X-Admin-Protocol", PROTOCOL)]
    if response.next_uri is not None:
        fields.append(("X-Admin-Next-URI", response.next_uri))
    if response.body:
        fields.append(("Content-Type", response.content_type))
        if response.target_aid is not None:
            fields.append(("X-Admin-Targeted-Application", aid_uri(response.target_aid)))
    return fields


_OURS: Final = frozenset(
    {
        "host",
        "content-type",
        "x-admin-protocol",
        "x-admin-from",
        "x-admin-script-status",
        "x-admin-resume",
    }
)


def _collect(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in _OURS:
            continue
        if lower in fields:
            raise PeerError("given twice", field=name, clause=CLAUSE)
        fields[lower] = value.strip(" \t")
    return fields


def _script_status(text: str) -> ScriptStatus:
    try:
        status = ScriptStatus(text.lower())
    except ValueError:
        return ScriptStatus.UNKNOWN
    return status


def _resume(text: str | None) -> bool:
    if text is None or text.lower() == "false":
        return False
    if text.lower() == "true":
        return True
    raise PeerError("neither true nor false", field="X-Admin-Resume", clause=CLAUSE)


def _notification(target: str) -> bytes | None:
    _, _, query = target.partition("?")
    if not query:
        return None
    found: bytes | None = None
    for parameter in query.split("&"):
        name, equals, value = parameter.partition("=")
        if name != NOTIFICATION_PARAMETER or not equals:
            continue
        if found is not None or not _HEX.fullmatch(value):
            raise PeerError("msg is not one hexadecimal string", field="uri", clause="SGP.02 4.1.1.11")
        found = bytes.fromhex(value)
    return found


def _aid_of(path: str, field: str) -> bytes:
    rid, slash, pix = path.partition("/")
    digits = rid + pix
    if not slash or len(rid) != 2 * RID_OCTETS or not _HEX.fullmatch(digits):
        raise PeerError("AID is not <RID>/<PIX> in hexadecimal", field=field, clause=CLAUSE)
    if len(digits) > 2 * MAX_AID_OCTETS:
        raise PeerError(f"AID of {len(digits) // 2} octets", field=field, clause=CLAUSE)
    return bytes.fromhex(digits)


def _check_request_uri(target: str) -> None:
    if len(target) > MAX_URI_OCTETS:
        raise PeerError(f"{len(target)} octets", field="uri", clause=CLAUSE)
    # Real cards send the path as stored; "//" would be an authority, and an absolute form is for proxies.
    if not target.startswith("/") or not _is_visible_ascii(target):
        raise PeerError("no absolute path", field="uri", clause=CLAUSE)


def _check_next_uri(uri: str) -> None:
    # Live cards take only a path with an optional query here, no scheme and host.
    if not uri.startswith("/") or uri.startswith("//") or not _is_visible_ascii(uri):
        raise ValueError("next URI must be a relative path")
    if len(uri) > MAX_URI_OCTETS:
        raise ValueError(f"next URI of {len(uri)} octets")


def _is_visible_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
