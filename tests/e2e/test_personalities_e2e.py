"""The three personalities of the card: the same calls come to the same, by eUICC type data alone.

Here in short, for every run: each operation over SMS, HTTPS push and pull, and the change of the SM-SR.
`make personalities` runs all tests with a simulated card on the other two.
"""

from __future__ import annotations

from typing import Any

import pytest

import personality
from e2e import checks
from e2e.bench import Bench, bench
from e2e.fleet import SPARES, desks_of, judge, judge_calls
from e2e.gateway import Gateway
from e2e.operations import OPERATIONS, described, run
from e2e.two_smsrs import FIRST, SECOND, first_settings, join
from ferryman.contracts.status import Status
from virtual_loop import virtual

TRANSPORTS: dict[str, dict[str, Any]] = {
    "sms": {},
    "https": {},
    "https-pull": {"poll": 120, "smsc": False},
}
OTHERS = ("recorded", "strict")
ORDER = (
    *(
        "get-eis",
        "audit",
        "enable",
        "update-policy",
        "update-address",
        "disable",
        "set-fallback",
        "enable-bootstrap",
    ),
    *("download", "download-enable", "addressing", "fall-back", "rotate-keys", "delete", "power-cycle", "audit"),
)
"""All operations, one after the other on one card; some are refused, on every personality alike."""

_reference: dict[str, list[str]] = {}


def test_every_operation_is_there() -> None:
    assert set(ORDER) == set(OPERATIONS)


async def life(b: Bench) -> list[str]:
    """What each operation came to; nothing may be wrong with the card after them."""
    gateway = Gateway()
    (desk,) = desks_of(b, gateway, "personalities")
    for name in ORDER:
        await run(name, desk)
    await b.sleep(3_600.0)
    await checks.nothing_left(b)
    holders = {order.iccid: order.eid for order in desk.orders if order.isdp_aid}
    assert await judge(desk, holders) == []
    assert judge_calls(gateway) == []
    return [f"{outcome.name}: {described(outcome.status)}" for outcome in desk.outcomes]


def world_of(transport: str, name: str) -> Any:
    options = (*SPARES, personality.CHOICE, name)
    return bench(transport, options=options, subscribers=3, **TRANSPORTS[transport])


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", OTHERS)
@virtual
async def test_each_operation_ends_as_on_the_reference(transport: str, name: str) -> None:
    if transport not in _reference:
        async with world_of(transport, "reference") as b:
            _reference[transport] = await life(b)
    async with world_of(transport, name) as b:
        assert await life(b) == _reference[transport]
        assert b.device().card.dump()["quirks"], "another card"
    good = sum("SUCCESS" in outcome for outcome in _reference[transport])
    assert good >= 9, _reference[transport]


@pytest.mark.parametrize("name", OTHERS)
@virtual
async def test_the_card_changes_hands(name: str) -> None:
    """With keys of the former SM-SR that are gone afterwards, whatever the card takes a list of ranges for."""
    async with bench("sms", options=(personality.CHOICE, name), sr=first_settings()) as b:
        wire = await join(b)
        try:
            status = await wire.change()
            assert status.status is Status.SUCCESS, status
            assert (await wire.owner(), await wire.card(FIRST)) == (SECOND, None)
            card = await wire.card(SECOND)
            assert card is not None
            assert {k.kvn for k in b.device().card._core.state.scp80} == {card.scp80_version}
        finally:
            await wire.close()
