"""POSTs of cards and their answers in the words of ES5 (SGP.02 4.1.1, GP Amendment B): no socket, no clock."""

from __future__ import annotations

from ferryman.codec.scp81_http import AdminRequest, AdminResponse, ScriptStatus
from ferryman.contracts import es5
from ferryman.contracts.message import Header
from ferryman.contracts.roles import TRANSPORT_HTTPS
from ferryman.errors import PeerError
from ferryman.transport_https.session import Session


def header_of(role: str, name: str, eid: str, deadline: float) -> Header:
    """The header of a message or question of `role` about an eUICC; `name` is its own for ever."""
    return Header(
        message_id=f"{role}/{name}",
        sender=role,
        requester=TRANSPORT_HTTPS,
        function_call_id=name,
        deadline=deadline,
        eid=eid,
    )


def posted(session: Session, request: AdminRequest, post_id: str) -> es5.HTTPSPosted:
    """A POST as the SM-SR is told of it."""
    identity = session.identity
    if identity is None:
        # _lookup gives keys to identities of SGP.02 only.
        raise RuntimeError("a session without a PSK identity of SGP.02")
    return es5.HTTPSPosted(
        post_id=post_id,
        session_id=session.id,
        eid=identity.eid,
        key_version=identity.key_version,
        uri=request.uri,
        resume=request.resume,
        script_status=_status_text(request),
        body=request.body,
        notification=request.notification or b"",
    )


def _status_text(request: AdminRequest) -> str:
    """As GP Amendment B spells it; empty on a first request only."""
    status = request.script_status
    if status is None:
        return ""
    if status is ScriptStatus.UNKNOWN:
        return request.script_status_text or "unknown"
    text: str = status.value
    return text


def response_of(answer: es5.HTTPSAnswer) -> AdminResponse:
    """An answer of the SM-SR as the card gets it; raises PeerError when it is none that a card could be given."""
    try:
        return AdminResponse(
            body=answer.body, next_uri=answer.next_uri or None, target_aid=answer.target_aid or None
        )
    except ValueError as problem:
        raise PeerError(str(problem), field="HTTPSAnswer") from None
