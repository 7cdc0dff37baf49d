"""Parameters of an administration session: trigger SMS and stored parameters (GlobalPlatform Amendment B)."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman_sim.card.addressing import read_psk_identity, read_timer
from ferryman_sim.card.state import HTTPSConfig
from ferryman_sim.card.tlv import BadTLV, as_map, read_all, read_lvs

TRIGGER_TAG = 0x81
ADDRESS_IPV4, ADDRESS_IPV6 = 0x21, 0x57
TCP_CLIENT = 0x02
TIMER_TAGS = (0x25, 0xA5)
HTTPS_FIELDS = frozenset({0x84, 0x85, 0x86, 0x89})


@dataclass(frozen=True, slots=True)
class Form:
    """Which codings of open points the card takes: binary timers and PSK identities, parameters in any order."""

    binary_timer: bool = True
    binary_identity: bool = True
    any_order: bool = True


EITHER = Form()


@dataclass(frozen=True, slots=True)
class SessionParameters:
    """What a trigger or 3A07/A5 names; None where it leaves the stored value. Delay in seconds."""

    address: str | None = None
    port: int | None = None
    host: str | None = None
    agent_id: str | None = None
    uri: str | None = None
    identity: str | None = None
    kvn: int | None = None
    key_id: int | None = None
    retries: int | None = None
    retry_delay: int | None = None

    def over(self, stored: HTTPSConfig | None) -> HTTPSConfig | None:
        """These parameters over the stored ones; None when no host or address is known at all."""
        host = self.host or self.address or (stored.host if stored else "")
        if not host:
            return None
        # A new host without an address is to be dialled itself, not at the address of the former one.
        address = self.address or (stored.address if stored and self.host is None else None)
        return HTTPSConfig(
            host=host,
            port=self.port or _port_in(host) or (stored.port if stored else 0),
            uri=self.uri or (stored.uri if stored else "/"),
            agent_id=self.agent_id or (stored.agent_id if stored else ""),
            address=address,
            retries=self.retries if self.retries is not None or stored is None else stored.retries,
            retry_delay=self.retry_delay if self.retry_delay is not None or stored is None else stored.retry_delay,
            poll=stored.poll if stored else None,
            poll_uri=stored.poll_uri if stored else None,
        )


def _port_in(host: str) -> int | None:
    port = host.rpartition(":")[2]
    return int(port) if ":" in host and port.isdigit() else None


def read_trigger(payload: bytes, form: Form = EITHER) -> SessionParameters:
    """Read the payload of a trigger SMS, tag 81. Raises BadTLV."""
    outer = read_all(payload)
    if len(outer) != 1 or outer[0].tag != TRIGGER_TAG:
        raise BadTLV("not one session trigger")
    if not outer[0].value:
        return SessionParameters()
    inner = read_all(outer[0].value)
    if len(inner) != 1 or inner[0].tag != 0x83:
        raise BadTLV("session parameters expected")
    return read_parameters(inner[0].value, form)


def read_parameters(content: bytes, form: Form = EITHER) -> SessionParameters:
    """Read the TLVs 84, 85, 86 and 89. Raises BadTLV."""
    fields = as_map(content)
    if not fields.keys() <= HTTPS_FIELDS:
        raise BadTLV("unknown session parameter")
    if not form.any_order and list(fields) != sorted(fields):
        raise BadTLV("session parameters out of order")
    address, port = _connection(fields.get(0x84, b""))
    identity, kvn, key_id = _security(fields.get(0x85, b""), form)
    retries, delay = _retry(fields.get(0x86, b""), form)
    http = as_map(fields.get(0x89, b""))
    if not http.keys() <= {0x8A, 0x8B, 0x8C}:
        raise BadTLV("unknown HTTP parameter")
    return SessionParameters(
        address=address,
        port=port,
        host=_text(http.get(0x8A)),
        agent_id=_text(http.get(0x8B)),
        uri=_text(http.get(0x8C)),
        identity=identity,
        kvn=kvn,
        key_id=key_id,
        retries=retries,
        retry_delay=delay,
    )


def _text(value: bytes | None) -> str | None:
    if not value:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadTLV("text") from error


def _connection(content: bytes) -> tuple[str | None, int | None]:
    """Address and port out of the OPEN CHANNEL objects; those of the bearer do not matter to this terminal."""
    address, port = None, None
    for item in read_all(content):
        kind = item.tag & 0x7F
        if kind == 0x3C:
            if len(item.value) != 3 or item.value[0] != TCP_CLIENT:
                raise BadTLV("transport level")
            port = int.from_bytes(item.value[1:])
        elif kind == 0x3E:
            address = _ip(item.value)
    return address, port


def _ip(value: bytes) -> str:
    if len(value) == 5 and value[0] == ADDRESS_IPV4:
        return ".".join(str(byte) for byte in value[1:])
    if len(value) == 17 and value[0] == ADDRESS_IPV6:
        return ":".join(value[at : at + 2].hex() for at in range(1, 17, 2))
    raise BadTLV("address")


def _security(content: bytes, form: Form) -> tuple[str | None, int | None, int | None]:
    if not content:
        return None, None, None
    identity, key = read_lvs(content, 2)
    if len(key) not in (0, 2):
        raise BadTLV("key version and id")
    text = read_psk_identity(identity, binary=form.binary_identity) if identity else None
    return text, key[0] if key else None, key[1] if key else None


def _retry(content: bytes, form: Form) -> tuple[int | None, int | None]:
    if not content:
        return None, None
    if len(content) < 2:
        raise BadTLV("retry counter")
    timers = [item.value for item in read_all(content[2:]) if item.tag in TIMER_TAGS]
    return int.from_bytes(content[:2]), read_timer(timers[0], binary=form.binary_timer) if timers else None
