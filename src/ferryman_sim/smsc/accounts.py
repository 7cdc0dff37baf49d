"""ESME accounts: who may bind, which addresses lead to them, and delivery over any of their bound sessions."""

from __future__ import annotations

import asyncio
import hmac
from typing import Protocol

from ferryman_sim.smsc import pdu as smpp
from ferryman_sim.smsc.pdu import Fields

RETRY_SECONDS = 5.0  # pause after a refused or unanswered deliver_sm; short, because ESMEs under test restart


class Receiver(Protocol):
    """A bound session that takes deliver_sm."""

    async def deliver(self, fields: Fields, tlvs: tuple[tuple[int, bytes], ...]) -> int:
        """The status of the ESME's answer. Raises ConnectionError or TimeoutError."""


class Account:
    """One ESME account; no addresses means "everything nobody else has"."""

    def __init__(self, system_id: str, password: str, addresses: tuple[str, ...] = ()) -> None:
        self.system_id = system_id
        self._password = password
        self.addresses = tuple(address.removeprefix("+") for address in addresses)
        self._receivers: list[Receiver] = []
        self._bound = asyncio.Event()
        self._turn = 0

    def __repr__(self) -> str:
        return f"Account({self.system_id!r})"

    def password_is(self, password: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._password.encode(), password.encode())

    @property
    def sessions(self) -> int:
        """How many receiving sessions are bound."""
        return len(self._receivers)

    def add(self, receiver: Receiver) -> None:
        """A session is bound for receiving."""
        self._receivers.append(receiver)
        self._bound.set()

    def remove(self, receiver: Receiver) -> None:
        """A session is gone."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)
        if not self._receivers:
            self._bound.clear()

    async def deliver(self, fields: Fields, tlvs: tuple[tuple[int, bytes], ...], deadline: float) -> bool:
        """Deliver until an answer is ok (SMPP 3.4 4.6); False when `deadline` (loop time) comes first."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline):
                while not await self._once(fields, tlvs):
                    if loop.time() >= deadline:
                        return False
        except TimeoutError:
            return False
        return True

    async def _once(self, fields: Fields, tlvs: tuple[tuple[int, bytes], ...]) -> bool:
        await self._bound.wait()
        self._turn += 1
        receiver = self._receivers[self._turn % len(self._receivers)]
        try:
            status = await receiver.deliver(fields, tlvs)
        except (ConnectionError, TimeoutError):
            status = smpp.SYSTEM_ERROR
        if status == smpp.OK:
            return True
        await asyncio.sleep(RETRY_SECONDS)
        return False


def parse(text: str) -> Account:
    """An account from `SYSTEM_ID:PASSWORD[:ADDRESS,ADDRESS]`. Raises ValueError without repeating the
    password.
    """
    system_id, separator, rest = text.partition(":")
    password, _, addresses = rest.partition(":")
    if not separator or not system_id:
        raise ValueError("an account is SYSTEM_ID:PASSWORD[:ADDRESS,...]")
    return Account(system_id, password, tuple(filter(None, addresses.split(","))))
