"""Administration session trigger: opens an HTTPS session (GlobalPlatform Amendment B 3.3; objects of TS 102 223).

Layout in `sgp02-euicc.md` 8.6: `81 { 83 { 84 connection, 85 security, 86 retry, 89 HTTP } }`; what is left
out is taken from the card's stored parameters, `81 00` leaves everything to them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ferryman.codec import tlv
from ferryman.errors import PeerError

_CLAUSE = "GlobalPlatform Amendment B 3.3"

_TRIGGER, _SESSION = 0x81, 0x83
_CONNECTION, _SECURITY, _RETRY, _HTTP = 0x84, 0x85, 0x86, 0x89
_HOST, _AGENT_ID, _URI = 0x8A, 0x8B, 0x8C

_BEARER, _BUFFER, _APN, _TRANSPORT, _ADDRESS, _TIMER = 0x35, 0x39, 0x47, 0x3C, 0x3E, 0x25
_TEXT, _TEXT_8_BIT = 0x0D, b"\x04"  # text string and its coding (TS 102 223 8.15)
_TCP_CLIENT = 0x02
_IPV4, _IPV6 = 0x21, 0x57
# The bit that says whether an object must be understood; cards and servers set it or not as they like.
_CR = 0x80

BEARER_DEFAULT = b"\x03"
MAX_RETRY_DELAY = 99 * 3600 + 59 * 60 + 59  # seconds; the timer object has two digits for the hours
_MAX_LABEL = 63  # 3GPP TS 23.003 9.1, as DNS


@dataclass(frozen=True, slots=True)
class Trigger:
    """The parameters of a session; None = the card's stored value. `retry_delay` is in seconds.

    `psk_identity` and `psk_key` (key version, key id) are the security parameters, `bearer` the value of the
    bearer description, `address` an IPv4 or IPv6 address in text.
    """

    host: str | None = None
    uri: str | None = None
    agent_id: str | None = None
    port: int | None = None
    address: str | None = None
    bearer: bytes | None = None
    buffer_size: int | None = None
    apn: str | None = None
    psk_identity: bytes | None = None
    psk_key: tuple[int, int] | None = None
    retry_count: int | None = None
    retry_delay: int | None = None


def encode_trigger(
    *,
    connection: bytes | None = None,
    security: bytes | None = None,
    retry: bytes | None = None,
    http: bytes | None = None,
) -> bytes:
    """A trigger from the ready contents of `84`, `85`, `86`, `89`; `81 00` when all are None."""
    objects = session_objects(connection=connection, security=security, retry=retry, http=http)
    return tlv.encode(_TRIGGER, tlv.encode(_SESSION, objects) if objects else b"")


def session_objects(
    *, connection: bytes | None, security: bytes | None, retry: bytes | None, http: bytes | None
) -> bytes:
    """The objects `84`, `85`, `86`, `89` that are present, one after another."""
    parts = ((_CONNECTION, connection), (_SECURITY, security), (_RETRY, retry), (_HTTP, http))
    return b"".join(tlv.encode(tag, value) for tag, value in parts if value is not None)


def _apn_labels(apn: str) -> bytes:
    labels = [label.encode("ascii") for label in apn.split(".")]
    if any(not 1 <= len(label) <= _MAX_LABEL for label in labels):
        raise ValueError("network access name has an empty or too long label")
    return b"".join(bytes((len(label),)) + label for label in labels)


def connection_objects(
    *,
    bearer: bytes | None = None,
    buffer_size: int | None = None,
    apn: str | None = None,
    port: int | None = None,
    address: str | None = None,
) -> bytes:
    """OPEN CHANNEL objects: bearer description, buffer size, network access name, TCP port, IP address."""
    objects = b""
    if bearer is not None:
        objects += tlv.encode(_BEARER, bearer)
    if buffer_size is not None:
        objects += tlv.encode(_BUFFER, buffer_size.to_bytes(2))
    if apn is not None:
        objects += tlv.encode(_APN, _apn_labels(apn))
    if port is not None:
        objects += tlv.encode(_TRANSPORT, bytes((_TCP_CLIENT,)) + port.to_bytes(2))
    if address is not None:
        ip = ipaddress.ip_address(address)
        objects += tlv.encode(_ADDRESS, bytes((_IPV4 if ip.version == 4 else _IPV6,)) + ip.packed)
    return objects


def bearer_objects(apn: str, *, bearer: bytes = BEARER_DEFAULT, login: str = "", password: str = "") -> bytes:
    """Bearer description, network access name, login and password (`sgp02-euicc.md` 6.2).

    Login and password are told apart by their order: one without the other is an empty text. Raises ValueError for
    a name that is none.
    """
    objects = tlv.encode(_BEARER, bearer) + tlv.encode(_APN, _apn_labels(apn))
    if login or password:
        for text in (login, password):
            objects += tlv.encode(_TEXT, _TEXT_8_BIT + text.encode() if text else b"")
    return objects


def security_value(psk_identity: bytes, key_version: int, key_id: int) -> bytes:
    """Content of `85`: PSK identity, then key version and id, each with its length in front."""
    return bytes((len(psk_identity),)) + psk_identity + bytes((2, key_version, key_id))


def retry_value(count: int, delay: int) -> bytes:
    """Content of `86`: counter (2 bytes) and waiting time `delay` in seconds as swapped BCD hh mm ss."""
    if not 0 <= delay <= MAX_RETRY_DELAY:
        raise ValueError(f"retry delay {delay} s is not in 0..{MAX_RETRY_DELAY}")
    parts = (delay // 3600, delay // 60 % 60, delay % 60)
    timer = bytes((part % 10 << 4) | part // 10 for part in parts)
    return count.to_bytes(2) + tlv.encode(_TIMER | _CR, timer)


def http_value(host: str | None, agent_id: str | None, uri: str | None) -> bytes:
    """Content of `89`: host, agent id and URI as far as given."""
    parts = ((_HOST, host), (_AGENT_ID, agent_id), (_URI, uri))
    return b"".join(tlv.encode(tag, value.encode("ascii")) for tag, value in parts if value is not None)


def _contents(trigger: Trigger) -> tuple[bytes | None, bytes | None, bytes | None, bytes | None]:
    connection = connection_objects(
        bearer=trigger.bearer,
        buffer_size=trigger.buffer_size,
        apn=trigger.apn,
        port=trigger.port,
        address=trigger.address,
    )
    security = None
    if trigger.psk_identity is not None and trigger.psk_key is not None:
        security = security_value(trigger.psk_identity, *trigger.psk_key)
    elif trigger.psk_identity is not None or trigger.psk_key is not None:
        raise ValueError("PSK identity and key version go together")
    retry = None
    if trigger.retry_count is not None and trigger.retry_delay is not None:
        retry = retry_value(trigger.retry_count, trigger.retry_delay)
    elif trigger.retry_count is not None or trigger.retry_delay is not None:
        raise ValueError("retry count and delay go together")
    http = http_value(trigger.host, trigger.agent_id, trigger.uri)
    return connection or None, security, retry, http or None


def build_session_parameters(trigger: Trigger) -> bytes:
    """The objects `84`..`89` alone, for tag A5 of UpdateSMSRAddressingParameters."""
    connection, security, retry, http = _contents(trigger)
    return session_objects(connection=connection, security=security, retry=retry, http=http)


def build_trigger(
    *,
    host: str | None = None,
    uri: str | None = None,
    agent_id: str | None = None,
    port: int | None = None,
    ipv4: str | None = None,
    ipv6: str | None = None,
    bearer: bytes | None = None,
    buffer_size: int | None = None,
    apn: str | None = None,
    psk_identity: bytes | None = None,
    psk_key: tuple[int, int] | None = None,
    retry_count: int | None = None,
    retry_delay: int | None = None,
) -> bytes:
    """The data of a trigger packet (8.6); nothing given = `81 00`. ValueError for values that cannot be coded."""
    if ipv4 is not None and ipv6 is not None:
        raise ValueError("one destination address only")
    trigger = Trigger(
        host=host,
        uri=uri,
        agent_id=agent_id,
        port=port,
        address=ipv4 if ipv4 is not None else ipv6,
        bearer=bearer,
        buffer_size=buffer_size,
        apn=apn,
        psk_identity=psk_identity,
        psk_key=psk_key,
        retry_count=retry_count,
        retry_delay=retry_delay,
    )
    connection, security, retry, http = _contents(trigger)
    return encode_trigger(connection=connection, security=security, retry=retry, http=http)


def _timer_part(byte: int) -> int:
    low, high = byte & 15, byte >> 4
    # Real servers send plain binary; a byte that is no swapped BCD can only be that.
    return low * 10 + high if low < 10 and high < 10 else byte


def _read_retry(value: bytes) -> tuple[int, int | None]:
    if len(value) < 2:
        raise PeerError("counter missing", field="86", clause=_CLAUSE)
    timer = tlv.find(tlv.parse(value[2:], clause=_CLAUSE), _TIMER, _TIMER | _CR)
    if timer is None:
        return int.from_bytes(value[:2]), None
    if len(timer.value) != 3:
        raise PeerError("timer of 3 bytes expected", field="86.25", clause=_CLAUSE)
    hours, minutes, seconds = map(_timer_part, timer.value)
    return int.from_bytes(value[:2]), hours * 3600 + minutes * 60 + seconds


def _read_security(value: bytes) -> tuple[bytes, tuple[int, int]]:
    identity_end = 1 + value[0] if value else 0
    rest = value[identity_end:]
    if not value or len(rest) != 3 or rest[0] != 2:
        raise PeerError("identity and key reference expected", field="85", clause=_CLAUSE)
    return value[1:identity_end], (rest[1], rest[2])


def _read_apn(value: bytes) -> str:
    labels: list[str] = []
    offset = 0
    while offset < len(value):
        end = offset + 1 + value[offset]
        if end > len(value):
            raise PeerError("label cut off", field="47", clause=_CLAUSE)
        labels.append(_text(value[offset + 1 : end], "47"))
        offset = end
    return ".".join(labels)


def _text(value: bytes, field: str) -> str:
    if not value.isascii():
        raise PeerError("not ASCII", field=field, clause=_CLAUSE)
    return value.decode("ascii")


def _read_address(value: bytes) -> str:
    sizes = {_IPV4: 4, _IPV6: 16}
    if not value or sizes.get(value[0]) != len(value) - 1:
        raise PeerError("no IPv4 or IPv6 address", field="3E", clause=_CLAUSE)
    return str(ipaddress.ip_address(value[1:]))


def _find_cr(objects: list[tlv.TLV], tag: int, size: int | None = None) -> bytes | None:
    found = tlv.find(objects, tag, tag | _CR)
    if found is not None and size is not None and len(found.value) != size:
        raise PeerError(f"{len(found.value)} bytes, {size} expected", field=f"{tag:02X}", clause=_CLAUSE)
    return None if found is None else found.value


def parse_trigger(data: bytes) -> Trigger:
    """Read a trigger back; unknown objects are skipped, PeerError for broken ones."""
    outer = tlv.parse(tlv.parse_one(data, _TRIGGER, clause=_CLAUSE).value, clause=_CLAUSE)
    session = tlv.find(outer, _SESSION)
    parts = tlv.parse(session.value, clause=_CLAUSE) if session is not None else []
    values = {part.tag: part.value for part in parts}
    connection = tlv.parse(values.get(_CONNECTION, b""), clause=_CLAUSE)
    http = tlv.parse(values.get(_HTTP, b""), clause=_CLAUSE)
    host, agent_id, uri = (tlv.find(http, tag) for tag in (_HOST, _AGENT_ID, _URI))
    identity, key = _read_security(values[_SECURITY]) if _SECURITY in values else (None, None)
    count, delay = _read_retry(values[_RETRY]) if _RETRY in values else (None, None)
    transport = _find_cr(connection, _TRANSPORT, 3)
    buffer_size = _find_cr(connection, _BUFFER, 2)
    address, apn = _find_cr(connection, _ADDRESS), _find_cr(connection, _APN)
    return Trigger(
        host=None if host is None else _text(host.value, "8A"),
        uri=None if uri is None else _text(uri.value, "8C"),
        agent_id=None if agent_id is None else _text(agent_id.value, "8B"),
        port=None if transport is None else int.from_bytes(transport[1:]),
        address=None if address is None else _read_address(address),
        bearer=_find_cr(connection, _BEARER),
        buffer_size=None if buffer_size is None else int.from_bytes(buffer_size),
        apn=None if apn is None else _read_apn(apn),
        psk_identity=identity,
        psk_key=key,
        retry_count=count,
        retry_delay=delay,
    )
