"""The SOAP 1.2 envelope: headers and the one element of the body; faults (SGP.02 Annex B; SOAP 1.2 part 1, 5)."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from ferryman.errors import PeerError
from ferryman.soap_gateway.esm import addressing
from ferryman.soap_gateway.esm.addressing import MAX_ADDRESS, Addressing
from ferryman.soap_gateway.esm.document import parse
from ferryman.soap_gateway.esm.fields import local_name, namespace
from ferryman.soap_gateway.esm.names import REPLY, SOAP, SOAP11, USERNAME_PROFILE, WSA, WSMC, WSSE, WSU
from ferryman.soap_gateway.esm.simple import escape

SENDER = "Sender"
RECEIVER = "Receiver"
MUST_UNDERSTAND = "MustUnderstand"
VERSION_MISMATCH = "VersionMismatch"
_UNDERSTOOD = (WSA, WSMC, WSSE)
_TRUE = ("true", "1")
_OUR_ROLES = ("", f"{SOAP}/role/next", f"{SOAP}/role/ultimateReceiver")
MAX_REASON = 300  # characters of a peer's reason that are told on
MAX_HEADERS = 64  # blocks; a peer sends up to seven

HEAD = f'<env:Envelope xmlns:env="{SOAP}" xmlns:wsa="{WSA}"><env:Header>'
MIDDLE = "</env:Header><env:Body>"
TAIL = "</env:Body></env:Envelope>"


class Fault(PeerError):
    """The message cannot be taken as a function call: `code` of SOAP, `subcode` as prefix:name, HTTP status."""

    def __init__(
        self, reason: str, *, code: str = SENDER, subcode: str = "", status: int = 400, field: str = "envelope"
    ) -> None:
        super().__init__(reason, field=field, clause="SOAP 1.2 5.4")
        self.code = code
        self.subcode = subcode
        self.status = status


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """WS-Security UsernameToken as sent; `digest` tells how `password` is to be read."""

    username: str
    password: str
    digest: bool
    nonce: str
    created: str

    def __repr__(self) -> str:
        return f"UsernameToken({self.username!r})"


@dataclass(frozen=True, slots=True)
class Received:
    """An envelope as read: addressing, credentials, and the element of its body."""

    addressing: Addressing
    body: etree._Element
    token: UsernameToken | None = None
    security: etree._Element | None = None


def read(data: bytes, *, inline: bool = False) -> Received:
    """One envelope; raises Fault. `inline`: an HTTP response, which answers its request also without headers."""
    try:
        root = parse(data)
    except PeerError as problem:
        raise Fault(problem.reason, field=problem.field) from None
    if root.tag != f"{{{SOAP}}}Envelope":
        if root.tag == f"{{{SOAP11}}}Envelope":
            raise Fault("SOAP 1.2 is spoken here", code=VERSION_MISMATCH)
        raise Fault("is no SOAP envelope")
    parts = list(root)
    if inline and len(parts) == 1:
        parts.insert(0, etree.Element(f"{{{SOAP}}}Header"))
    if len(parts) != 2 or parts[0].tag != f"{{{SOAP}}}Header" or parts[1].tag != f"{{{SOAP}}}Body":
        raise Fault("has not one Header and one Body")
    header, body = parts
    if len(body) != 1:
        raise Fault("has not exactly one element in its Body")
    blocks, security = _blocks(header)
    token = None if security is None else _token(security)
    return Received(_addressing(blocks, inline=inline), body[0], token, security)


def _blocks(header: etree._Element) -> tuple[dict[str, etree._Element], etree._Element | None]:
    found: dict[str, etree._Element] = {}
    security: etree._Element | None = None
    if len(header) > MAX_HEADERS:
        raise Fault(f"has more than {MAX_HEADERS} headers")
    for block in header:
        space, name = namespace(block), local_name(block)
        if block.get(f"{{{SOAP}}}role", "").strip() not in _OUR_ROLES:
            continue  # for somebody on the way (SOAP 1.2 part 1, 2.2)
        if space == WSA:
            if name == "RelatesTo" and block.get("RelationshipType", REPLY) != REPLY:
                continue  # related otherwise than by answering (WS-Addressing 3.1)
            if name in found:
                raise Fault(f"{name} is given twice", subcode="wsa:InvalidAddressingHeader")
            found[name] = block
        elif space == WSSE and name == "Security":
            if security is not None:
                raise Fault("two Security headers", subcode="wsse:InvalidSecurity")
            security = block
        elif space not in _UNDERSTOOD and block.get(f"{{{SOAP}}}mustUnderstand", "").strip() in _TRUE:
            raise Fault(f"header {name} is not understood", code=MUST_UNDERSTAND)
    return found, security


def _addressing(blocks: dict[str, etree._Element], *, inline: bool) -> Addressing:
    text = _text if inline else _required
    sender = text(blocks, "From", nested=True)
    to = text(blocks, "To")
    identifier = text(blocks, "MessageID")
    action = text(blocks, "Action")
    of_sender, of_message = addressing.items(sender), addressing.items(identifier)
    return Addressing(
        action=action,
        message_id=identifier,
        sender=sender.partition("?")[0],
        sender_id=of_sender.get("EntityId", ""),
        sender_name=of_sender.get("EntityName", ""),
        to=to,
        to_id=addressing.items(to).get("EntityId", ""),
        reply_to=_text(blocks, "ReplyTo", nested=True),
        relates_to=_text(blocks, "RelatesTo"),
        transaction_id=of_message.get("TransactionId", ""),
        context_id=of_message.get("ContextId", ""),
        sent=addressing.moment(of_message.get("MessageDate", "")),
    )


def _required(blocks: dict[str, etree._Element], name: str, *, nested: bool = False) -> str:
    text = _text(blocks, name, nested=nested)
    if not text:
        raise Fault(f"wsa:{name} is missing", subcode="wsa:MessageAddressingHeaderRequired")
    return text


def _text(blocks: dict[str, etree._Element], name: str, *, nested: bool = False) -> str:
    block = blocks.get(name)
    if block is None:
        return ""
    text = (block.findtext(f"{{{WSA}}}Address") if nested else block.text) or ""
    if len(text) > MAX_ADDRESS:
        raise Fault(f"wsa:{name} is too long", subcode="wsa:InvalidAddressingHeader")
    return text.strip()


def _token(security: etree._Element) -> UsernameToken | None:
    earlier: UsernameToken | None = None
    for item in security:
        if item.tag != f"{{{WSSE}}}UsernameToken":
            continue
        if earlier is not None:
            raise Fault("two UsernameTokens", subcode="wsse:InvalidSecurity")
        password = item.find(f"{{{WSSE}}}Password")
        earlier = UsernameToken(
            username=(item.findtext(f"{{{WSSE}}}Username") or "").strip(),
            password=(password.text or "") if password is not None else "",
            digest=password is not None and password.get("Type") == f"{USERNAME_PROFILE}PasswordDigest",
            nonce=(item.findtext(f"{{{WSSE}}}Nonce") or "").strip(),
            created=(item.findtext(f"{{{WSU}}}Created") or "").strip(),
        )
    return earlier


def make_connection(body: etree._Element) -> str:
    """The polling address of a wsmc:MakeConnection; empty when the body is another message."""
    if body.tag != f"{{{WSMC}}}MakeConnection":
        return ""
    return (body.findtext(f"{{{WSMC}}}Address") or "").strip()[:MAX_ADDRESS]


def write(message: Addressing, body: str, *, extra: str = "") -> bytes:
    """An envelope; `extra` stands in front of the addressing headers."""
    return "".join((HEAD, extra, addressing.headers(message), MIDDLE, body, TAIL)).encode("utf-8")


def pending(more: bool) -> str:
    """The header that tells a poller whether another message waits."""
    return f'<wsmc:MessagePending xmlns:wsmc="{WSMC}" pending="{"true" if more else "false"}"/>'


def username_token(token: UsernameToken) -> str:
    """The Security header with a digest of the password."""
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" env:mustUnderstand="true"><wsse:UsernameToken>'
        f"<wsse:Username>{escape(token.username)}</wsse:Username>"
        f'<wsse:Password Type="{USERNAME_PROFILE}PasswordDigest">{escape(token.password)}</wsse:Password>'
        f"<wsse:Nonce>{escape(token.nonce)}</wsse:Nonce><wsu:Created>{escape(token.created)}</wsu:Created>"
        "</wsse:UsernameToken></wsse:Security>"
    )


def read_fault(data: bytes) -> Fault | None:
    """The fault in an answer; None when it is none. `code` and `subcode` are as the peer wrote them."""
    try:
        root = parse(data)
    except PeerError:
        return None
    found = root.find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault")
    if found is None:
        return None
    code = (found.findtext("{*}Code/{*}Value") or "").strip().rpartition(":")[2]
    subcode = (found.findtext("{*}Code/{*}Subcode/{*}Value") or "").strip()
    reason = (found.findtext("{*}Reason/{*}Text") or "no reason given").strip()[:MAX_REASON]
    return Fault(reason, code=code, subcode=subcode)


def write_fault(fault: Fault) -> bytes:
    """A SOAP fault; it repeats nothing of the message that caused it."""
    prefix = fault.subcode.partition(":")[0]
    space = {"wsa": WSA, "wsse": WSSE}.get(prefix, "")
    subcode = ""
    if fault.subcode:
        subcode = f'<env:Subcode><env:Value xmlns:{prefix}="{space}">{fault.subcode}</env:Value></env:Subcode>'
    return (
        f'<env:Envelope xmlns:env="{SOAP}"><env:Body><env:Fault>'
        f"<env:Code><env:Value>env:{fault.code}</env:Value>{subcode}</env:Code>"
        f'<env:Reason><env:Text xml:lang="en">{escape(fault.reason)}</env:Text></env:Reason>'
        "</env:Fault></env:Body></env:Envelope>"
    ).encode()
