"""WS-Addressing headers as SGP.02 Annex B uses them: identities and identifiers as query items (6.2).

Items are read by name in any order, percent-decoded; unknown ones are ignored. Nothing but the entity is
required of a peer (docs/divergences.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.soap_gateway.esm.names import ANONYMOUS, WSA_ANONYMOUS, WSA_NONE
from ferryman.soap_gateway.esm.simple import escape, read_date, write_date

MAX_ADDRESS = 2_000  # characters of one header
_NAMING = ("EntityId", "EntityName")
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/@")


@dataclass(frozen=True, slots=True)
class Addressing:
    """The headers of one message; empty where one is absent. `sent` in seconds since 1970."""

    action: str
    message_id: str
    sender: str  # wsa:From without its query
    sender_id: str
    to: str  # wsa:To as given
    to_id: str
    reply_to: str = ""
    relates_to: str = ""
    sender_name: str = ""
    transaction_id: str = ""
    context_id: str = ""
    sent: float | None = None


def items(address: str) -> dict[str, str]:
    """Query items of an address by name; the first of a name counts."""
    found: dict[str, str] = {}
    for part in address.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        if name:
            found.setdefault(decode(name), decode(value))
    return found


def decode(text: str) -> str:
    """Percent-decoding of UTF-8; what is badly encoded stays as it is."""
    if "%" not in text:
        return text
    head, *rest = text.split("%")
    octets = bytearray(head.encode())
    for part in rest:
        try:
            octets += bytes.fromhex(part[:2]) + part[2:].encode()
        except ValueError:
            octets += b"%" + part.encode()
    return octets.decode("utf-8", "replace")


def encode(text: str) -> str:
    """Percent-encoding for the value of an item."""
    if all(letter in _PLAIN for letter in text):
        return text
    return "".join(chr(octet) if chr(octet) in _PLAIN else f"%{octet:02X}" for octet in text.encode())


def moment(text: str) -> float | None:
    """MessageDate, None when it is absent or none."""
    try:
        return read_date(text)
    except ValueError:
        return None


def entity(address: str, identifier: str, name: str = "") -> str:
    """An address that names a party; other items of it stay as they are (WS-Addressing 3.4)."""
    base, _, query = address.partition("?")
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in _NAMING]
    named = [f"EntityId={encode(identifier)}", *([f"EntityName={encode(name)}"] if name else ())]
    return f"{base}?{'&'.join((*kept, *named))}"


def message_id(domain: str, unique: str, *, transaction: str = "", context: str = "", sent: float) -> str:
    """wsa:MessageID in the form of 6.2."""
    parts = [f"TransactionId={encode(transaction)}"] if transaction else []
    if context:
        parts.append(f"ContextId={encode(context)}")
    parts.append(f"MessageDate={write_date(sent)}")
    return f"//{domain}/{unique}?{'&'.join(parts)}"


def is_same_message(relates_to: str, identifier: str) -> bool:
    """Whether RelatesTo means this message: whole, or the part before its items (peers send either)."""
    return relates_to == identifier or relates_to.partition("?")[0] == identifier.partition("?")[0]


def polling_id(address: str) -> str:
    """The identifier in a WS-MakeConnection address; empty when it is none."""
    return decode(address[len(ANONYMOUS) :]) if address.startswith(ANONYMOUS) else ""


def is_callable(address: str) -> bool:
    """Whether an answer can be posted there."""
    return bool(address) and not address.startswith((WSA_ANONYMOUS, WSA_NONE, ANONYMOUS))


def headers(message: Addressing) -> str:
    """The header elements, under the prefix `wsa`."""
    parts = [
        f"<wsa:From><wsa:Address>{escape(entity(message.sender, message.sender_id, message.sender_name))}"
        "</wsa:Address></wsa:From>",
        f"<wsa:To>{escape(message.to)}</wsa:To>",
    ]
    if message.reply_to:
        parts.append(f"<wsa:ReplyTo><wsa:Address>{escape(message.reply_to)}</wsa:Address></wsa:ReplyTo>")
    parts.append(f"<wsa:MessageID>{escape(message.message_id)}</wsa:MessageID>")
    if message.relates_to:
        parts.append(f"<wsa:RelatesTo>{escape(message.relates_to)}</wsa:RelatesTo>")
    parts.append(f"<wsa:Action>{escape(message.action)}</wsa:Action>")
    return "".join(parts)
