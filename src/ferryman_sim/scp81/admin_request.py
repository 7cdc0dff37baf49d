"""Requests of the card's administration agent (sgp02-euicc.md 4.3, 8.5; ota-transports.md 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOL = "globalplatform-remote-admin/1.0"
RESPONSE_TYPE = "application/vnd.globalplatform.card-content-mgt-response;version=1.0"
STATUS_OK = "ok"
STATUSES = frozenset((STATUS_OK, "unknown-application", "not-a-security-domain", "security-error"))
RID_LENGTH = 5


@dataclass(frozen=True, slots=True)
class RequestStyle:
    """Habits of the agent.

    lower_case_headers: header names as some real cards write them. aaid: `//aaid/` instead of `//aa-id/`.
    content_length: body with Content-Length, not in chunks. chunk_size: bytes a chunk; None = one chunk.
    """

    lower_case_headers: bool = False
    aaid: bool = False
    content_length: bool = False
    chunk_size: int | None = None


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """What the card has to tell about one script: status and response script (None unless the status is ok)."""

    status: str
    body: bytes | None


def application_path(aid: bytes) -> str:
    """`//aid/<RID>/<PIX>` of an application."""
    text = aid.hex().upper()
    return f"//aid/{text[: 2 * RID_LENGTH]}/{text[2 * RID_LENGTH :]}"


def agent_identity(eid: str, aid: bytes) -> str:
    """Value of X-Admin-From for an agent in the application `aid` (normally the ISD-R)."""
    return f"//se-id/eid/{eid};//aa-id{application_path(aid)[1:]}"


def with_notification(uri: str, notification: bytes) -> str:
    """The URI with the notification as query parameter `msg`, upper-case hex."""
    return f"{uri}{'&' if '?' in uri else '?'}msg={notification.hex().upper()}"


def build_request(
    *, uri: str, host: str, agent: str, style: RequestStyle, result: ScriptResult | None, resume: bool
) -> bytes:
    """One POST. result: None on a request that answers no script. Raises ValueError for bad status or text."""
    agent = agent.replace("//aa-id/", "//aaid/") if style.aaid else agent
    headers = [("Host", host), ("X-Admin-Protocol", PROTOCOL), ("X-Admin-From", agent)]
    body = b""
    if result is not None:
        if result.status not in STATUSES or (result.body is not None) is not (result.status == STATUS_OK):
            raise ValueError(f"script status {result.status!r} and its body do not fit")
        if result.body is not None:
            framing, body = _frame(result.body, style)
            headers += [("Content-Type", RESPONSE_TYPE), framing]
        headers.append(("X-Admin-Script-Status", result.status))
    if resume:
        headers.append(("X-Admin-Resume", "true"))
    lines = [f"POST {uri} HTTP/1.1"]
    lines += [f"{name.lower() if style.lower_case_headers else name}: {value}" for name, value in headers]
    if any(not line.isascii() or not line.isprintable() for line in lines) or " " in uri:
        raise ValueError("request with characters that a header cannot have")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _frame(body: bytes, style: RequestStyle) -> tuple[tuple[str, str], bytes]:
    """(framing header, framed body)."""
    if style.content_length:
        return ("Content-Length", str(len(body))), body
    size = style.chunk_size or len(body) or 1
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return ("Transfer-Encoding", "chunked"), chunks + b"0\r\n\r\n"
