"""Commands to an ISD-P under its SCP03 keys: wrapped in one call, answers verified in another (SGP.02 4.1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ferryman.codec.apdu import ResponseAPDU
from ferryman.contracts import codes
from ferryman.crypto_server.profile_keys import Keyset
from ferryman.errors import PeerError, Refused
from ferryman.secure.scp03 import SecureChannel


class Opened(Protocol):
    """A session that the card has opened: our challenge, and its answer to INITIALIZE UPDATE."""

    @property
    def eid(self) -> str: ...
    @property
    def isdp_aid(self) -> bytes: ...
    @property
    def host_challenge(self) -> bytes: ...
    @property
    def initialize_response(self) -> bytes: ...


def wrapped(keyset: Keyset, opened: Opened, commands: Sequence[bytes]) -> tuple[bytes, ...]:
    """EXTERNAL AUTHENTICATE and the commands, protected. Raises Refused when the card has other keys."""
    try:
        channel = _channel(keyset, opened)
    except PeerError as problem:
        raise Refused(*codes.ISDP_ERROR, f"SCP03: {problem}", identifier=opened.eid) from None
    return (channel.external_authenticate(), *(channel.wrap(command) for command in commands))


def verified(keyset: Keyset, opened: Opened, commands: Sequence[bytes], answers: Sequence[bytes]) -> bytes:
    """Data of the answer to the last command, each answer authentic and good. Raises PeerError.

    The chain of the C-MACs is part of each R-MAC: the commands are wrapped again, one answer behind each. The
    answer to EXTERNAL AUTHENTICATE may be there; the R-MACs of the others prove the session without it.
    """
    channel = _channel(keyset, opened)
    channel.external_authenticate()
    found = [ResponseAPDU.parse(each) for each in answers]
    if len(found) == len(commands) + 1 and found[0].ok:
        found = found[1:]
    if len(found) != len(commands):
        raise PeerError(f"{len(answers)} answers", field="R-APDU")
    last = b""
    for number, (command, answer) in enumerate(zip(commands, found, strict=True), start=1):
        channel.wrap(command)
        if not answer.ok:
            raise PeerError(f"the card answered {answer.sw:04X}", field=f"command {number}")
        last = channel.unwrap(answer).data
    return last


def _channel(keyset: Keyset, opened: Opened) -> SecureChannel:
    return SecureChannel.open(
        keyset.static(),
        host_challenge=opened.host_challenge,
        response=opened.initialize_response,
        aid=opened.isdp_aid,
    )
