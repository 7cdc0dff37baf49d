"""A role's side of the crypto contract: asks over the call port and turns a refusal back into `Refused`."""

from __future__ import annotations

from ferryman.contracts import crypto
from ferryman.contracts.message import Body, Header, decode, encode
from ferryman.contracts.roles import CRYPTO_SERVER
from ferryman.errors import Refused
from ferryman.platform.bus import Calls


class CryptoClient:
    """Questions of one role to the CryptoServer."""

    def __init__(self, calls: Calls, role: str) -> None:
        self._calls = calls
        self._role = role

    async def ask(self, header: Header, body: Body) -> Body:
        """One question; raises Refused with the CryptoServer's codes, Unavailable when it does not answer."""
        raw = await self._calls.call(CRYPTO_SERVER, self._role, encode(header, body))
        _, answer = decode(raw, crypto.ANSWER_CODEC)
        if isinstance(answer, crypto.CryptoRefused):
            status = answer.status
            raise Refused(status.subject, status.reason, status.message, identifier=status.identifier)
        return answer
