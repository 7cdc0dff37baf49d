"""Orders that must be refused, and eligibility at the SM-DP (SGP.02 3.1.1 step 5): nothing sent, nothing changed.

For eligibility the SM-SR's row of a good card is changed behind its back, as a faulty or lying SM-SR would have
it; the data are real deliveries with a defect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from ferryman.cli.operator import Operator
from ferryman.codec import eis_xml
from ferryman.contracts import admin
from ferryman.contracts.roles import TRANSPORT_HTTPS, TRANSPORT_SMS
from ferryman.errors import Refused
from ferryman.profile.demo_template import demo_template
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.schema import euicc
from ferryman_sim.card_maker.defects import Defect
from premises import NAME, OWNER, Premises, changes, defective, make_batch, subscriptions
from rig import wait_order
from virtual_loop import virtual

FORMAT = "1.3.1/2.1"
STRANGER = "1.3.6.1.4.1.99999.31"
SM_SR = 1  # place of its store in an installation


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("orders")


@pytest.fixture(scope="module")
def cards(batch: Path) -> dict[str, bytes]:
    return defective(batch, [defect.value for defect in Defect])


def eid_of(xml: bytes) -> str:
    return eis_xml.parse_delivery(xml)[0].signed.eid


async def ready(place: Premises, folder: Path, xml: bytes) -> str:
    """Trust, certificate, one card, template, two subscriptions; the EID."""
    await place.trust(folder)
    await place.certificate(folder)
    (eid,) = (await place.register(xml)).new
    await place.template(demo_template())
    await place.subscriptions(subscriptions(2, "orders"))
    return eid


def iccid(number: int = 1) -> str:
    return subscriptions(2, "orders").split()[number].split(",")[0]


def other_digit(digits: str) -> str:
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)


WRONG: dict[str, tuple[Callable[[str], dict[str, Any]], str, str]] = {
    "unknown ICCID": (lambda eid: {"eid": eid, "iccid": "8988211000000000995"}, "8.2.1/3.9", "import it first"),
    "unknown profile type": (
        lambda eid: {"eid": eid, "profile_type": "none"},
        "8.2.5/3.9",
        "no free subscription",
    ),
    "EID with wrong check digits": (lambda eid: {"eid": other_digit(eid), "profile_type": NAME}, FORMAT, "check"),
    "EID of 31 digits": (lambda eid: {"eid": eid[:-1], "profile_type": NAME}, FORMAT, ""),
    "EID with letters": (lambda eid: {"eid": "89AB" + eid[4:], "profile_type": NAME}, FORMAT, ""),
    "ICCID with letters": (lambda eid: {"eid": eid, "iccid": "89X8211000000000995"}, FORMAT, ""),
    "neither ICCID nor type": (lambda eid: {"eid": eid}, FORMAT, "either"),
    "ICCID and type": (lambda eid: {"eid": eid, "iccid": iccid(), "profile_type": NAME}, FORMAT, "either"),
    "no time": (lambda eid: {"eid": eid, "iccid": iccid(), "validity": 0.5}, FORMAT, "validity"),
    "too much time": (lambda eid: {"eid": eid, "iccid": iccid(), "validity": 1e9}, FORMAT, "validity"),
}


@pytest.mark.parametrize("name", WRONG)
def test_order_that_is_wrong(
    tmp_path: Path, batch: Path, cards: dict[str, bytes], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, code, words = WRONG[name]
    # Our command line looks at an EID itself; whoever asks otherwise must hear it of the SM-DP.
    monkeypatch.setattr("ferryman.cli.operator.check_eid", lambda _body: None)

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            eid = await ready(place, batch, cards["good"])
            order = admin.CreateOrder(owner=OWNER, **values(eid))
            await place.refused(place.operator.sm_dp(order), code, words)

    scenario()


def test_order_for_the_iccid_of_another_owner(tmp_path: Path, batch: Path, cards: dict[str, bytes]) -> None:
    """It is answered like one that does not exist; so is the other owner's order."""

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            eid = await ready(place, batch, cards["good"])
            stranger = Operator(place.installation.bus, STRANGER)
            for values in ({"iccid": iccid()}, {"profile_type": NAME}):
                order = admin.CreateOrder(owner=STRANGER, eid=eid, **values)
                code = "8.2.1/3.9" if "iccid" in values else "8.2.5/3.9"
                await place.refused(stranger.sm_dp(order), code)
            mine = await place.operator.sm_dp(admin.CreateOrder(owner=OWNER, eid=eid, iccid=iccid()))
            assert isinstance(mine, admin.OrderView)
            show = admin.ShowOrder(owner=STRANGER, order_id=mine.order_id)
            with pytest.raises(Refused) as unseen:
                await stranger.sm_dp(show)
            with pytest.raises(Refused) as absent:
                await stranger.sm_dp(admin.ShowOrder(owner=STRANGER, order_id="ffffffffffff"))
            assert (unseen.value.subject, unseen.value.reason) == (absent.value.subject, absent.value.reason)
            page = await stranger.sm_dp(admin.ListOrders(owner=STRANGER))
            assert isinstance(page, admin.OrderPage)
            assert page.orders == ()

    scenario()


def test_unknown_eid(tmp_path: Path, batch: Path, cards: dict[str, bytes]) -> None:
    """The EID is well formed, but the SM-SR has no such card: the order fails and frees its subscription."""
    unknown = eid_of(cards[Defect.EUM_SIGNATURE.value])

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await ready(place, batch, cards["good"])
            view = await failed_order(place, unknown)
            assert view.status is not None
            assert view.status.code == "8.1.1/3.9"
            show = admin.ShowEUICC(owner=OWNER, eid=unknown)
            await place.refused(place.operator.sm_sr(show), "8.1.1/3.9")

    scenario()


def test_same_call_with_other_input(tmp_path: Path, batch: Path, cards: dict[str, bytes]) -> None:
    """The same FunctionCallIdentifier gets the first answer for the same input, a refusal for any other."""

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            eid = await ready(place, batch, cards["good"])
            call = place.operator.sm_dp
            order = admin.CreateOrder(owner=OWNER, eid=eid, iccid=iccid(), enable=False)
            first = await call(order, call_id="call-1")
            assert isinstance(first, admin.OrderView)
            again = await call(order, call_id="call-1")
            assert isinstance(again, admin.OrderView)
            assert again.order_id == first.order_id
            await asyncio.sleep(5)  # the order waits for a card that does not come
            for other in (
                msgspec.structs.replace(order, iccid=iccid(2)),
                msgspec.structs.replace(order, enable=True),
                msgspec.structs.replace(order, validity=60.0),
            ):
                await place.refused(call(other, call_id="call-1"), "1.6/3.3")
            await place.refused(call(order, call_id="call-2"), "8.2.1/1.2")  # the subscription is taken

    scenario()


async def failed_order(place: Premises, eid: str) -> admin.OrderView:
    """An order that fails before anything is sent: only its own record and its calls remain."""
    before = place.dump()
    created = await place.operator.sm_dp(admin.CreateOrder(owner=OWNER, eid=eid, profile_type=NAME))
    assert isinstance(created, admin.OrderView)
    view = await wait_order(place.operator, created.order_id)
    assert view.state == "done"
    assert view.status is not None
    assert not view.status.ok
    after = place.dump()
    # The order is on record; card, subscription, templates and vault are as they were.
    records = {"profile_order", "procedure", "call", "inbox", "outbox", "journal", "timer"}
    changed = {name for name in changes(before, after) if name.partition(".")[2] not in records}
    assert changed == set()
    assert [row for name in after if name.endswith(".outbox") for row in after[name]] == []
    sent = [row for name, rows in after.items() if name.endswith(".journal") for row in rows]
    assert not any(kind in repr(row) for row in sent for kind in ("SubmitSMS", "HTTPSAnswer", "ES3CreateISDP"))
    return view


SIGNED = {
    Defect.EUM_SIGNATURE: ("8.6/6.1", "signature"),
    Defect.EUM_INFO: ("8.6/6.1", "digest"),
    Defect.EUM_NOT_UNDER_CI: ("8.5.2/6.1", "CI"),
    Defect.EUM_EXPIRED: ("8.5.2/6.1", ""),
    Defect.ECASD_NOT_UNDER_EUM: ("8.5.2/6.1", "CERT.ECASD.ECKA"),
    Defect.ECASD_OTHER_EID: ("8.5.2/6.1", "another EID"),
    Defect.ECASD_EXPIRED: ("8.5.2/6.3", "not valid now"),
}


@pytest.mark.parametrize("defect", SIGNED, ids=lambda defect: defect.value)
def test_eligibility_by_certificates(tmp_path: Path, batch: Path, cards: dict[str, bytes], defect: Defect) -> None:
    code, words = SIGNED[defect]
    delivery = eis_xml.parse_delivery(cards[defect.value])[0]

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            eid = await ready(place, batch, cards["good"])
            # The row of the good card takes over everything of the defective one.
            await lie(
                place,
                eid,
                eid=delivery.signed.eid,
                signed_info=delivery.signed_xml,
                signature=delivery.signature_xml,
                platform_type=delivery.signed.platform_type,
            )
            view = await failed_order(place, delivery.signed.eid)
            assert view.status is not None
            assert view.status.code == code, view.status
            assert words in view.status.message

    scenario()


def test_eligibility_signed_data_of_another_card(tmp_path: Path, batch: Path, cards: dict[str, bytes]) -> None:
    """Good signed data, but of another EID."""
    delivery = eis_xml.parse_delivery(cards[Defect.KEY_CHECK_VALUE.value])[0]

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            eid = await ready(place, batch, cards["good"])
            await lie(place, eid, signed_info=delivery.signed_xml, signature=delivery.signature_xml)
            view = await failed_order(place, eid)
            assert view.status is not None
            assert view.status.code == "8.6/6.1"

    scenario()


async def lie(place: Premises, card: str, **values: Any) -> None:
    """Change the SM-SR's row of a card."""
    store = place.installation.stores[SM_SR]

    def unit(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.execute(update(euicc).where(euicc.c.eid == card).values(**values))
        if "eid" in values:
            connection.exec_driver_sql("UPDATE isdp SET eid = ?", (values["eid"],))

    await store.write(unit)


def test_eligibility_too_little_memory(tmp_path: Path, batch: Path, cards: dict[str, bytes]) -> None:
    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            eid = await ready(place, batch, cards["good"])
            await lie(place, eid, remaining_memory=5_000)
            view = await failed_order(place, eid)
            assert view.status is not None
            assert view.status.code == "8.1/4.8"
            assert "5000" in view.status.message

    scenario()


def test_eligibility_unsupported_version(tmp_path: Path) -> None:
    folder = make_batch(tmp_path / "v4", options=("--remote-provisioning-version", "4.2.0"))

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            view = await failed_order(place, await ready(place, folder, (folder / "eis.xml").read_bytes()))
            assert view.status is not None
            assert view.status.code == "8.2.1/2.1"
            assert "4.2.0" in view.status.message

    scenario()


def test_eligibility_type_not_approved(tmp_path: Path) -> None:
    folder = make_batch(tmp_path / "type", options=("--platform-type", "prototype"))
    settings = DPSettings(approved_platforms=("ferryman-sim",))

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data", sm_dp=settings) as place:
            view = await failed_order(place, await ready(place, folder, (folder / "eis.xml").read_bytes()))
            assert view.status is not None
            assert view.status.code == "8.2.5/2.1"
            assert "prototype" in view.status.message

    scenario()


def test_good_card_is_eligible(tmp_path: Path, batch: Path, cards: dict[str, bytes]) -> None:
    """The same order without a defect goes on to CreateISDP: the tests above can tell."""
    settings = DPSettings(approved_platforms=("ferryman-sim",))

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data", sm_dp=settings) as place:
            eid = await ready(place, batch, cards["good"])
            sent: list[bytes] = []

            async def take(raw: bytes) -> None:
                sent.append(raw)

            place.installation.bus.register(TRANSPORT_SMS, take)
            place.installation.bus.register(TRANSPORT_HTTPS, take)
            created = await place.operator.sm_dp(admin.CreateOrder(owner=OWNER, eid=eid, profile_type=NAME))
            assert isinstance(created, admin.OrderView)
            view = await wait_order(place.operator, created.order_id, timeout=5.0)
            assert view.step == "CreateISDP"
            assert sent

    scenario()


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [("platform_type", "ferryman-gold", "PlatformType"), ("rpv", "3.1.0", "RemoteProvisioningVersion")],
)
def test_eligibility_rests_on_what_the_eum_signed(
    tmp_path: Path, batch: Path, cards: dict[str, bytes], column: str, value: str, field: str
) -> None:
    """An SM-SR that shows another type or version beside the signed data is not believed."""

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            eid = await ready(place, batch, cards["good"])
            await lie(place, eid, **{column: value})
            view = await failed_order(place, eid)
            assert view.status is not None
            assert view.status.code == "8.6/6.1"
            assert field in view.status.message

    scenario()
