"""Agreed keys that came over the REST API open what comes in; nothing leaves under them, and none is replaced."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import pytest

from ferryman.contracts import crypto, envelopes, imports
from ferryman.contracts.message import Body, Header, decode, encode
from ferryman.contracts.roles import CRYPTO_SERVER, OPERATOR, REST_API, SM_DP
from ferryman.profile.demo_template import demo_template
from ferryman.secure import openpgp
from openpgp_keys import sender
from premises import NAME, OWNER, Premises, subscriptions
from virtual_loop import virtual

KEY, OTHER_KEY = bytes(range(16)), bytes(range(16, 32))


async def ask(place: Premises, caller: str, body: Body, *, says: str = "") -> Body:
    """A question of this caller, who may say that he is another."""
    header = Header(
        message_id=secrets.token_hex(8),
        sender=says or caller,
        requester=OWNER,
        function_call_id="1",
        deadline=time.time() + 60,
    )
    raw = await place.installation.bus.call(CRYPTO_SERVER, caller, encode(header, body))
    return decode(raw, crypto.ANSWER_CODEC)[1]


def refused(answer: Body, words: str) -> bool:
    return isinstance(answer, crypto.CryptoRefused) and words in answer.status.message


async def stocked(place: Premises) -> tuple[imports.SubscriptionPublic, ...]:
    await place.template(demo_template())
    done = await place.operator.import_subscriptions(subscriptions(2, "origins").encode(), NAME)
    question = imports.ListSubscriptions(owner=OWNER, import_id=done.import_id)
    page = await place.operator.sm_dp(question)
    assert isinstance(page, imports.SubscriptionPage)
    return page.rows


def export(rows: tuple[imports.SubscriptionPublic, ...], key: str) -> imports.ExportSubscriptions:
    return imports.ExportSubscriptions(owner=OWNER, rows=rows, key=key, cipher="aes-gcm")


@virtual
async def test_nothing_leaves_under_a_key_from_afar(tmp_path: Path) -> None:
    async with Premises(tmp_path) as place:
        rows = await stocked(place)
        for says in (REST_API, OPERATOR):  # the bus knows who asks, whatever the message says
            mine = crypto.ImportTransportKey(eum_id="mine", key=KEY)
            assert isinstance(await ask(place, REST_API, mine, says=says), crypto.Stored)
            for caller in (REST_API, OPERATOR):
                assert refused(await ask(place, caller, export(rows, "mine")), "came over the REST API")
        await ask(place, OPERATOR, crypto.ImportTransportKey(eum_id="hlr", key=KEY))
        answer = await ask(place, REST_API, export(rows, "hlr"))
        assert isinstance(answer, imports.SubscriptionsExported)
        assert [row.iccid for row in answer.rows] == [row.iccid for row in rows]
        await ask(place, OPERATOR, crypto.ImportTransportKey(eum_id="mine", key=KEY))  # the machine's from now on
        assert isinstance(await ask(place, REST_API, export(rows, "mine")), imports.SubscriptionsExported)


@virtual
async def test_keys_of_an_isdp_are_not_handed_over_under_it(tmp_path: Path) -> None:
    async with Premises(tmp_path) as place:
        question = crypto.HandOverKeyset(eid="8" * 32, isdp_aid=b"\xa0" * 16, key="mine")
        assert refused(await ask(place, SM_DP, question), "no transport key")
        await ask(place, REST_API, crypto.ImportTransportKey(eum_id="mine", key=KEY))
        assert refused(await ask(place, SM_DP, question), "came over the REST API")
        await ask(place, OPERATOR, crypto.ImportTransportKey(eum_id="mine", key=KEY))
        assert refused(await ask(place, SM_DP, question), "no key set")


@virtual
async def test_a_key_of_the_machine_is_not_replaced_from_afar(tmp_path: Path) -> None:
    async with Premises(tmp_path) as place:
        rows = await stocked(place)
        await ask(place, OPERATOR, crypto.ImportTransportKey(eum_id="hlr", key=KEY))
        other = await ask(place, REST_API, crypto.ImportTransportKey(eum_id="hlr", key=OTHER_KEY))
        assert refused(other, "is replaced there")
        same = await ask(place, REST_API, crypto.ImportTransportKey(eum_id="hlr", key=KEY))
        assert isinstance(same, crypto.Stored)  # and is the machine's still
        assert isinstance(await ask(place, OPERATOR, export(rows, "hlr")), imports.SubscriptionsExported)
        for name in (
            "",
            "mine/x",
            "x" * 101,
        ):  # the mark of "mine/x" would go with "mine"
            assert refused(await ask(place, REST_API, crypto.ImportTransportKey(eum_id=name, key=KEY)), "name")
        for value in (OTHER_KEY, KEY):
            mine = crypto.ImportTransportKey(eum_id="mine", key=value)
            assert isinstance(await ask(place, REST_API, mine), crypto.Stored)  # its own it may


@virtual
async def test_envelopes_go_to_nobody_whom_the_rest_api_named(tmp_path: Path) -> None:
    async with Premises(tmp_path) as place:
        rows = await stocked(place)
        await ask(place, OPERATOR, envelopes.MakeOpenPGPKey(user_id="Ferryman <dp@example.org>"))
        ours = await ask(place, REST_API, envelopes.ImportOpenPGPKey(data=sender()))
        assert refused(ours, "own machine")
        public = envelopes.ImportOpenPGPKey(data=openpgp.public_of(sender()), name="mine")
        assert isinstance(await ask(place, REST_API, public), envelopes.OpenPGPKey)
        name = "ab" * 32
        staged = envelopes.StageExport(owner=OWNER, envelope_id=name, number=0, rows=rows)
        assert isinstance(await ask(place, REST_API, staged), envelopes.EnvelopeState)
        for caller in (REST_API, OPERATOR):
            sealing = envelopes.SealEnvelope(owner=OWNER, envelope_id=name, recipient="mine")
            assert refused(await ask(place, caller, sealing), "came over the REST API")
        reading = envelopes.ReadEnvelope(owner=OWNER, envelope_id=name, number=0)
        assert isinstance(await ask(place, REST_API, reading), crypto.CryptoRefused)


@pytest.mark.parametrize("kind", [crypto.ImportTransportKey, crypto.ImportHookKey])
def test_no_key_shows(kind: type[Body]) -> None:
    given = {"owner": OWNER, "name": "x"} if kind is crypto.ImportHookKey else {"eum_id": "x"}
    shown = repr(kind(key=KEY, **given))
    assert "***" in shown
    assert KEY.hex() not in shown
    assert repr(KEY) not in shown
