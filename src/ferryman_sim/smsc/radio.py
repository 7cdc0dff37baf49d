"""The serving network: eUICC processes attach here, are authenticated against the HLR, get and send short
messages.

One channel carries any number of cards; every line names its card by EID. Authentication: TS 33.102 6.3 (with
one resynchronisation); delivery is acknowledged by the terminal, as SMS-DELIVER-REPORT does (TS 23.040
9.2.2.1a).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ferryman_sim.json_lines import Channel, LineError, Message, Requester
from ferryman_sim.smsc.messages import ShortMessage

ACK_SECONDS = 10.0  # for a terminal's acknowledgement; TS 24.011 TR2 values are of this order
RETRY_SECONDS = 2.0  # before the next try to an attached terminal that did not acknowledge


@dataclass(slots=True)
class _Attempt:
    imsi: str
    channel: Channel
    rand: str = ""
    xres: bytes = b""
    resynchronised: bool = False


@dataclass(slots=True)
class _Attached:
    card: str
    imsi: str
    msisdn: str
    channel: Channel


class Radio:
    """Attached cards. `on_mo(msisdn, line)` takes mobile-originated messages."""

    def __init__(
        self,
        hlr: Requester,
        on_mo: Callable[[str, Message], None],
    ) -> None:
        self._hlr = hlr
        self._on_mo = on_mo
        self._control: Callable[[Message], Awaitable[Message]] = _unknown
        self._attempts: dict[str, _Attempt] = {}
        self._cards: dict[str, _Attached] = {}
        self._by_imsi: dict[str, _Attached] = {}
        self._presence: dict[str, asyncio.Event] = {}
        self._acks: dict[str, asyncio.Future[None]] = {}
        self._next_id = 0
        self.barred: set[str] = set()
        self.rejections = 0

    def set_control(self, control: Callable[[Message], Awaitable[Message]]) -> None:
        """Let `control` answer the lines that are no radio lines."""
        self._control = control

    def status(self) -> list[dict[str, str]]:
        """The attached cards."""
        return [{"card": c.card, "imsi": c.imsi, "msisdn": c.msisdn} for c in self._cards.values()]

    def is_attached(self, imsi: str) -> bool:
        """Whether a card with this IMSI is attached."""
        return imsi in self._by_imsi

    async def serve(self, channel: Channel) -> None:
        """One channel until it ends; its cards are detached then."""
        try:
            while (line := await channel.receive()) is not None:
                await self._line(channel, line)
        finally:
            for card in [c.card for c in self._cards.values() if c.channel is channel]:
                await self._detach(card)
            self._attempts = {k: a for k, a in self._attempts.items() if a.channel is not channel}

    async def _line(self, channel: Channel, line: Message) -> None:
        handlers: dict[str, Callable[[Channel, str, Message], Awaitable[None]]] = {
            "attach": self._attach,
            "auth-res": self._auth_res,
            "auth-sync": self._auth_sync,
            "auth-fail": self._auth_fail,
            "detach": self._detach_line,
            "mt-ack": self._mt_ack,
            "mo": self._mo,
        }
        handler = handlers.get(str(line.get("op")))
        if handler is None:
            await channel.send(await self._control(line))
            return
        card = line.get("card")
        if not isinstance(card, str):
            raise LineError("a radio line names its card")
        await handler(channel, card, line)

    async def _attach(self, channel: Channel, card: str, line: Message) -> None:
        imsi = str(line.get("imsi"))
        if imsi in self.barred:
            await self._reject(channel, card, "no coverage")
            return
        self._attempts[card] = _Attempt(imsi, channel)
        await self._challenge(card, {"op": "auth-info", "imsi": imsi})

    async def _challenge(self, card: str, request: Message) -> None:
        attempt = self._attempts[card]
        try:
            vector = await self._hlr.ask(request)
        except OSError:
            vector = {"error": "network failure"}
        if "error" in vector:
            del self._attempts[card]
            await self._reject(attempt.channel, card, str(vector["error"]))
            return
        attempt.rand, attempt.xres = str(vector["rand"]), bytes.fromhex(vector["xres"])
        await attempt.channel.send({"op": "auth", "card": card, "rand": vector["rand"], "autn": vector["autn"]})

    async def _reject(self, channel: Channel, card: str, cause: str) -> None:
        self.rejections += 1
        await channel.send({"op": "rejected", "card": card, "cause": cause})

    async def _auth_res(self, channel: Channel, card: str, line: Message) -> None:
        attempt = self._attempts.pop(card, None)
        if attempt is None or not attempt.xres:
            await self._reject(channel, card, "no authentication under way")
            return
        if not hmac.compare_digest(attempt.xres, _octets(line, "res")):
            await self._reject(channel, card, "authentication failed")
            return
        await self._complete(channel, card, attempt.imsi)

    async def _complete(self, channel: Channel, card: str, imsi: str) -> None:
        await self._detach(card)
        former = self._by_imsi.get(imsi)
        if former is not None:
            # The same subscription on another card: the network knows one place only (TS 23.012).
            await self._detach(former.card)
        try:
            answer = await self._hlr.ask({"op": "attached", "imsi": imsi, "card": card})
        except OSError:
            await self._reject(channel, card, "network failure")
            return
        attached = _Attached(card, imsi, str(answer.get("msisdn", "")), channel)
        self._cards[card] = self._by_imsi[imsi] = attached
        await channel.send({"op": "attached", "card": card, "msisdn": attached.msisdn})
        self._present(imsi).set()

    async def _auth_sync(self, channel: Channel, card: str, line: Message) -> None:
        attempt = self._attempts.get(card)
        if attempt is None or attempt.resynchronised:
            self._attempts.pop(card, None)
            await self._reject(channel, card, "synchronisation failure")
            return
        attempt.resynchronised = True
        auts = _octets(line, "auts").hex()
        request = {"op": "auth-info", "imsi": attempt.imsi, "rand": attempt.rand, "auts": auts}
        await self._challenge(card, request)

    async def _auth_fail(self, channel: Channel, card: str, _line: Message) -> None:
        self._attempts.pop(card, None)
        await self._reject(channel, card, "card refused the network")

    async def _detach_line(self, _channel: Channel, card: str, _line: Message) -> None:
        self._attempts.pop(card, None)
        await self._detach(card)

    async def _detach(self, card: str) -> None:
        attached = self._cards.pop(card, None)
        if attached is None:
            return
        if self._by_imsi.get(attached.imsi) is attached:
            del self._by_imsi[attached.imsi]
            self._present(attached.imsi).clear()
        try:
            await self._hlr.ask({"op": "detached", "imsi": attached.imsi, "card": card})
        except OSError:
            # The register learns of the next attach; being told of this detach is a courtesy.
            return

    async def bar(self, imsi: str, on: bool) -> None:
        """Take the network away from a subscription, or give it back; its terminal is told at once."""
        if not on:
            self.barred.discard(imsi)
            return
        self.barred.add(imsi)
        attached = self._by_imsi.get(imsi)
        if attached is not None:
            await self._detach(attached.card)
            await attached.channel.send({"op": "detached", "card": attached.card, "cause": "no coverage"})

    def _present(self, imsi: str) -> asyncio.Event:
        return self._presence.setdefault(imsi, asyncio.Event())

    async def _mt_ack(self, _channel: Channel, card: str, line: Message) -> None:
        waiting = self._acks.get(str(line.get("id")))
        if waiting is not None and not waiting.done() and card in self._cards:
            waiting.set_result(None)

    async def _mo(self, channel: Channel, card: str, line: Message) -> None:
        attached = self._cards.get(card)
        if attached is None:
            await channel.send({"op": "mo-nack", "card": card, "id": line.get("id"), "cause": "not attached"})
            return
        self._on_mo(attached.msisdn, line)
        await channel.send({"op": "mo-ack", "card": card, "id": line.get("id")})

    async def deliver(self, imsi: str, message: ShortMessage, retried: Callable[[], None]) -> None:
        """Deliver now or when the card attaches, until the terminal acknowledges. Never gives up by itself."""
        while True:
            await self._present(imsi).wait()
            attached = self._by_imsi.get(imsi)
            if attached is None:
                # Detached again between the signal and now.
                continue
            if await self._try(attached, message):
                return
            retried()
            await asyncio.sleep(RETRY_SECONDS)

    async def _try(self, attached: _Attached, message: ShortMessage) -> bool:
        self._next_id += 1
        identifier = f"{message.id}.{self._next_id}"
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._acks[identifier] = waiting
        line: dict[str, Any] = {
            "op": "mt",
            "card": attached.card,
            "id": identifier,
            "oa": message.source.number,
            "udhi": message.udhi,
            "pid": message.pid,
            "dcs": message.dcs,
            "ud": message.ud.hex(),
        }
        try:
            await attached.channel.send(line)
            async with asyncio.timeout(ACK_SECONDS):
                await waiting
        except (ConnectionError, TimeoutError):
            return False
        finally:
            del self._acks[identifier]
        return True


def _octets(line: Message, name: str) -> bytes:
    try:
        return bytes.fromhex(line[name])
    except (KeyError, TypeError, ValueError) as error:
        raise LineError(f"{name} is not hexadecimal") from error


async def _unknown(line: Message) -> Message:
    return {"error": f"unknown op {line.get('op')}"}
