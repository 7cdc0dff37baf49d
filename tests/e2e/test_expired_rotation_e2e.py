"""New transport keys whose call ends before the card's word comes: the list of the EIS follows the card.

A key set that is on the card and in no list would stay there unknown, and a change of SM-SR would leave or delete
it without anybody having decided so (SGP.02 3.8, 5.1.1; GlobalPlatform 11.8).
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from e2e.test_card_operations_e2e import run
from ferryman.contracts import es4, operations
from ferryman.contracts.status import Status
from ferryman.crypto_server import schema as crypto_schema
from ferryman_sim.smsc.messages import ShortMessage
from live_scene import RESPONSE, Wire
from virtual_loop import virtual

VALIDITY = 40.0  # s: a second copy of a packet without answer has left by then
TELLS: dict[str, Any] = {"no_key_information": False}  # of any personality: the object with its sets is known
LATE = 20.0  # s after the end of the call
LONG = 1_000.0  # s until whoever was in doubt has asked the card
NEW = {"scp80": 0x02, "scp81": 0x41}
FORMER = {"scp80": 0x01, "scp81": 0x40}


class Network:
    """Keeps back what the card answers, behind the first `through` answers."""

    def __init__(self, b: Bench, through: int) -> None:
        self.on = True
        self.kept: list[ShortMessage] = []
        self._through = through
        self._b = b
        self._wire = Wire(b, self._hear)  # type: ignore[arg-type]

    def _hear(self, message: ShortMessage) -> list[ShortMessage]:
        if not self.on or not message.ud.startswith(RESPONSE):
            return [message]
        if self._through:
            self._through -= 1
            return [message]
        self.kept.append(message)
        return []

    def let_go(self) -> None:
        """The first of them comes, and what comes from now on."""
        self.on = False
        self._wire._put(self._b.world.status(self._b.eid)["msisdn"], self._wire.renamed(self.kept[0]))


async def listed(b: Bench) -> set[int]:
    """Key sets of the EIS."""
    card = await checks.eis(b, b.eid)
    assert card.isdr is not None
    return {keyset.version for keyset in card.isdr.keysets}


async def in_use(b: Bench, protocol: str) -> int:
    card = await checks.eis(b, b.eid)
    return card.scp80_version if protocol == "scp80" else card.scp81_version


def keys(b: Bench, protocol: str) -> set[bytes]:
    """All keys of the card's sets of this protocol."""
    state = b.device().card._core.state
    if protocol == "scp80":
        return {key for one in state.scp80 for key in (one.kic, one.kid, one.dek)}
    return {key for one in state.scp81 for key in (one.psk, one.dek)}


async def agree(b: Bench) -> None:
    """EIS and card name the same sets, and those in use are on the card."""
    state = b.device().card._core.state
    assert await listed(b) == state.key_versions()
    assert {await in_use(b, "scp80"), await in_use(b, "scp81")} <= state.key_versions()


async def of_crypto_server(b: Bench, kind: str) -> set[int]:
    """Versions of its key sets: `euicc`, those of the card, `made`, those that it may hold."""
    refs = crypto_schema.secret.select().with_only_columns(crypto_schema.secret.c.ref)
    found = await b.store("crypto-server").read(lambda c: list(c.execute(refs).scalars()))
    return {int(ref.split("/")[2], 16) for ref in found if ref.startswith(f"{kind}/{b.eid}/")}


async def expired(b: Bench, protocol: str, through: int = 0) -> Network:
    """A rotation whose call is over when its keys are on the card and nobody has heard of it."""
    network = Network(b, through)
    view = await run(b, operations.RotateKeyset(eid=b.eid, protocol=protocol), validity=VALIDITY)
    assert view.status is not None
    assert view.status.status is Status.EXPIRED
    assert network.kept
    assert NEW[protocol] in b.device().card._core.state.key_versions(), "the card has carried it out"
    await b.sleep(LATE)
    return network


async def goes_on(b: Bench, protocol: str, before: set[bytes]) -> None:
    """The next rotation leaves none of the keys that were withdrawn, and the card is reached."""
    rotate = operations.RotateKeyset(eid=b.eid, protocol=protocol)
    for operation in (rotate, es4.ES4AuditEIS(eid=b.eid)):
        view: Any = await run(b, operation)
        assert view.status.status is Status.SUCCESS, view
        await agree(b)
    assert not before & keys(b, protocol)
    assert await of_crypto_server(b, "euicc") == await listed(b)
    assert not await of_crypto_server(b, "made")
    await checks.everything(b)


@pytest.mark.parametrize("answer", ["late", "lost"])
@pytest.mark.parametrize(
    ("protocol", "transport", "through"),
    [("scp80", "sms", 0), ("scp80", "sms", 1), ("scp81", "sms", 0), ("scp81", "https", 0)],
    ids=["scp80", "scp80 to be proved", "scp81 without sessions", "scp81"],
)
@virtual
async def test_the_eis_lists_what_the_card_took(protocol: str, transport: str, through: int, answer: str) -> None:
    """`through` 1: the answer to the PUT KEY has come, that to the first question under the new keys has not."""
    async with bench(transport, quirks=TELLS) as b:
        before = keys(b, protocol)
        network = await expired(b, protocol, through)
        assert (NEW[protocol] in await listed(b)) == bool(through)
        assert await in_use(b, protocol) == FORMER[protocol]
        if answer == "late":
            network.let_go()
            await b.sleep(1.0)
            await agree(b)
        network.on = False
        await b.sleep(LONG)
        await agree(b)
        proved = answer == "late" and through
        used = NEW[protocol] if protocol == "scp81" or proved else FORMER[protocol]
        assert await in_use(b, protocol) == used, "SCP80: in use when a question under it was answered"
        alarms = [action for action, outcome, _ in await b.audits() if outcome == "alarm"]
        assert ("PutKey" in alarms) == bool(proved), "the former keys stay valid on the card"
        if protocol == "scp81":
            held = {await in_use(b, "scp80"), NEW[protocol]}
            assert await of_crypto_server(b, "euicc") == held, "the former keys are destroyed"
            assert not await of_crypto_server(b, "made")
        await goes_on(b, protocol, before)


@virtual
async def test_a_session_shows_the_keys_of_a_card_that_tells_none() -> None:
    """The card does not know the object with its key sets; it comes under the new one."""
    async with bench("https", quirks={"no_key_information": True}) as b:
        before = keys(b, "scp81")
        network = await expired(b, "scp81")
        network.on = False
        await b.sleep(LONG)
        await agree(b)
        assert await in_use(b, "scp81") == NEW["scp81"]
        assert await of_crypto_server(b, "euicc") == await listed(b)
        await goes_on(b, "scp81", before)


@virtual
async def test_scp80_keys_of_a_card_that_tells_none_are_taken_up_by_the_next_rotation() -> None:
    """Nobody can know of them before: no packet under them was ever sent."""
    async with bench("sms", quirks={"no_key_information": True}) as b:
        before = keys(b, "scp80")
        network = await expired(b, "scp80")
        network.on = False
        await b.sleep(LONG)
        assert await listed(b) == {FORMER["scp80"], FORMER["scp81"]}
        assert await of_crypto_server(b, "made") == {2}, "they are not lost"
        await goes_on(b, "scp80", before)


@virtual
async def test_an_audit_tells_that_keys_were_put_in_place_of_those_in_use() -> None:
    """By SMS alone, in the operator's own AuditEIS, while the doubt still waits for its moment."""
    async with bench("sms", quirks=TELLS) as b:
        network = await expired(b, "scp81")
        network.on = False
        view: Any = await run(b, es4.ES4AuditEIS(eid=b.eid))
        assert view.status.status is Status.SUCCESS
        await agree(b)
        assert await in_use(b, "scp81") == NEW["scp81"]
