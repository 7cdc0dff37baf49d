"""The operator's OTA platform: sends ES6 commands to its subscribers and waits for the proof (SGP.02 3.12, 3.13).

Both commands set a value, so one whose fate is unknown is simply sent again, with a new counter.
"""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import dataclass, field

from ferryman_sim.card import sms
from ferryman_sim.card.tlv import BadTLV
from ferryman_sim.mno import es6, packets
from ferryman_sim.mno.esme import Esme, EsmeError
from ferryman_sim.mno.packets import BadPacket, OtaKeys, Proof

DEFAULT_TAR = bytes.fromhex("B20100")
DEFAULT_KVN = 0x01
ANSWER_SECONDS = 45.0  # for one attempt: two short messages each way, and a card that is busy
ATTEMPTS = 5
STATUS_OK = 0x00
COUNTER_LOW = 0x02
COUNTER_STEP = 4096  # added when the card says that the counter is too low: past any lost record of ours


class MNOError(Exception):
    """No such subscriber, or no proof that the command was executed; the text says which."""


@dataclass(slots=True)
class Subscriber:
    """A subscription with the OTA keys of its Profile; `counter` is the last one used."""

    iccid: str
    msisdn: str
    keys: OtaKeys
    counter: int = 0
    tar: bytes = DEFAULT_TAR


@dataclass(slots=True)
class _Parts:
    total: int
    parts: dict[int, bytes] = field(default_factory=dict)


def read_subscribers(text: str, *, tar: bytes = DEFAULT_TAR, kvn: int = DEFAULT_KVN) -> list[Subscriber]:
    """Subscribers of a CSV with the columns ICCID, MSISDN, KIC and KID; `tar` and `kvn` are those of the MNO-SD.

    Raises ValueError, naming no key.
    """
    found = []
    for row in csv.DictReader(io.StringIO(text)):
        try:
            kic, kid = bytes.fromhex(row["KIC"]), bytes.fromhex(row["KID"])
            iccid, msisdn = row["ICCID"], row["MSISDN"].removeprefix("+")
        except (KeyError, ValueError, AttributeError, TypeError):
            raise ValueError("a subscription list has ICCID, MSISDN, KIC and KID") from None
        if len(kic) != 16 or len(kid) != 16:
            raise ValueError(f"keys of {iccid} are no AES-128 keys")
        found.append(Subscriber(iccid, msisdn, OtaKeys(kvn, kic, kid), tar=tar))
    return found


class MNO:
    """One operator; commands to one subscriber go one after the other."""

    def __init__(
        self,
        subscribers: list[Subscriber],
        *,
        address: str,
        system_id: str,
        password: str,
        pol1_tag: int = es6.POL1_TAG,
        answer_seconds: float = ANSWER_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._by_iccid = {each.iccid: each for each in subscribers}
        self._by_msisdn = {each.msisdn: each for each in subscribers}
        self._address = address
        self._pol1_tag = pol1_tag
        self._patience = answer_seconds
        self._attempts = attempts
        self._esme = Esme(system_id, password, self._received)
        self._waiting: dict[str, asyncio.Future[Proof]] = {}
        self._busy: dict[str, asyncio.Lock] = {}
        self._unfinished: dict[tuple[str, int, int], _Parts] = {}
        self._reference = 0

    async def start(self, host: str, port: int) -> None:
        """Bind to the SMSC. Raises OSError."""
        await self._esme.bind(host, port)

    async def stop(self) -> None:
        """Unbind."""
        await self._esme.close()

    async def update_pol1(self, iccid: str, pol1: int) -> int:
        """UpdatePOL1byMNO; the card's status word. Raises MNOError."""
        return await self._run(iccid, es6.update_pol1(pol1, self._pol1_tag))

    async def update_connectivity(self, iccid: str, smsc: str) -> int:
        """UpdateConnectivityParametersByMNO; the card's status word. Raises MNOError, ValueError."""
        return await self._run(iccid, es6.update_connectivity(smsc))

    async def _run(self, iccid: str, apdu: bytes) -> int:
        subscriber = self._by_iccid.get(iccid)
        if subscriber is None:
            raise MNOError(f"no subscription {iccid}")
        async with self._busy.setdefault(iccid, asyncio.Lock()):
            for _ in range(self._attempts):
                proof = await self._once(subscriber, es6.script(apdu))
                if proof is None:
                    continue
                if proof.status == COUNTER_LOW:
                    subscriber.counter += COUNTER_STEP
                    continue
                if proof.status != STATUS_OK:
                    raise MNOError(f"the card answers with status {proof.status:02X}")
                return es6.status_word(proof.data)
        raise MNOError("no answer of the card")

    async def _once(self, subscriber: Subscriber, script: bytes) -> Proof | None:
        """One packet with the next counter, and its proof; None when there is none in time."""
        subscriber.counter += 1
        self._reference = (self._reference + 1) & 0xFF
        packet = packets.seal(subscriber.keys, subscriber.tar, subscriber.counter, script)
        waiting: asyncio.Future[Proof] = asyncio.get_running_loop().create_future()
        self._waiting[subscriber.iccid] = waiting
        try:
            for ud in sms.segment(packet, sms.COMMAND_ELEMENT, self._reference):
                await self._esme.submit(self._address, subscriber.msisdn, ud)
            async with asyncio.timeout(self._patience):
                return await waiting
        except TimeoutError:
            return None
        except EsmeError as error:
            raise MNOError(str(error)) from error
        finally:
            del self._waiting[subscriber.iccid]

    def _received(self, source: str, ud: bytes) -> None:
        """A message of a card; what is no proof of a command under way is dropped."""
        subscriber = self._by_msisdn.get(source)
        if subscriber is None:
            return
        try:
            packet = self._whole(source, sms.read_part(ud))
            proof = None if packet is None else packets.open_proof(subscriber.keys, subscriber.tar, packet)
        except (BadTLV, BadPacket):
            return
        waiting = self._waiting.get(subscriber.iccid)
        if proof is None or waiting is None or waiting.done() or proof.counter != subscriber.counter:
            return
        waiting.set_result(proof)

    def _whole(self, source: str, part: sms.Part) -> bytes | None:
        if part.total <= 1:
            return part.content
        key = (source, part.reference[1], part.total)
        unfinished = self._unfinished.setdefault(key, _Parts(part.total))
        unfinished.parts.setdefault(part.number, part.content)
        if set(unfinished.parts) != set(range(1, part.total + 1)):
            return None
        del self._unfinished[key]
        return b"".join(unfinished.parts[number] for number in range(1, part.total + 1))
