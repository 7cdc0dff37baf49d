"""Card makers' deliveries that must be refused (SGP.02 5.2.1, 4.3), each with nothing changed in any database."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from ferryman.codec import eis_xml
from ferryman.codec.eis_xml import RPS
from ferryman.contracts import admin, crypto
from ferryman_sim.card_maker.defects import Defect
from premises import Premises, defective, dump, join, make_batch, split
from virtual_loop import virtual

FORMAT = "1.3.1/2.1"
CODES = {
    Defect.EUM_SIGNATURE: ("8.6/6.1", ""),
    Defect.EUM_INFO: ("8.6/6.1", ""),
    Defect.EUM_NOT_UNDER_CI: ("8.5.2/6.1", ""),
    Defect.EUM_EXPIRED: ("8.5.2/6.1", ""),
    Defect.EUM_ID: ("8.5.2/6.1", ""),
    Defect.ECASD_NOT_UNDER_EUM: ("8.5.2/6.1", "CERT.ECASD.ECKA"),
    Defect.ECASD_OTHER_EID: ("8.5.2/6.1", "another EID"),
    Defect.ECASD_EXPIRED: ("8.5.2/6.3", "not valid now"),
    Defect.EID_CHECK_DIGITS: (FORMAT, "check digits"),
    Defect.KEY_CHECK_VALUE: (FORMAT, "key check value"),
}


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch with one card for each defect, and a good one."""
    return tmp_path_factory.mktemp("defects")


@pytest.fixture(scope="module")
def cards(batch: Path) -> dict[str, bytes]:
    """Deliveries of one card, by what is wrong with it."""
    return defective(batch, [defect.value for defect in Defect])


def test_every_defect_has_its_code() -> None:
    assert set(CODES) == set(Defect)


@pytest.mark.parametrize("defect", Defect, ids=lambda defect: defect.value)
def test_defect(tmp_path: Path, batch: Path, cards: dict[str, bytes], defect: Defect) -> None:
    """Alone, and behind a good card: then the good one is not taken either; later it is."""

    @virtual
    async def scenario() -> None:
        code, words = CODES[defect]
        async with Premises(tmp_path / "data") as place:
            await place.trust(batch)
            await place.refused(place.register(cards[defect.value]), code, words)
            await place.refused(place.register(join([cards["good"], cards[defect.value]])), code, words)
            assert len((await place.register(cards["good"])).new) == 1

    scenario()


def edited(xml: bytes, path: str, text: str | None = None, *, times: int = 1, **attributes: str) -> bytes:
    """The delivery with an unsigned element changed; `times` 0 takes it away, 2 doubles it."""
    root = etree.fromstring(xml)
    element = root.find("/".join(f"{{{RPS}}}{name}" for name in path.split("/")))
    assert element is not None
    if text is not None:
        element.text = text
    for name, value in attributes.items():
        element.set(name, value)
    parent = element.getparent()
    assert parent is not None
    if times == 0:
        parent.remove(element)
    elif times == 2:
        parent.insert(parent.index(element), etree.fromstring(etree.tostring(element)))
    return etree.tostring(root)


EDITS: dict[str, tuple[dict[str, object], str]] = {
    "no signed info": ({"path": "Eis/EumSignedInfo", "times": 0}, "EumSignedInfo"),
    "two signed infos": ({"path": "Eis/EumSignedInfo", "times": 2}, "EumSignedInfo"),
    "no signature": ({"path": "Eis/EumSignature", "times": 0}, "EumSignature"),
    "no ISD-R": ({"path": "Eis/Isd-r", "times": 0}, "Isd-r"),
    "no key set": ({"path": "Eis/Isd-r/Keyset", "times": 0}, "SCP80"),
    "key set twice": ({"path": "Eis/Isd-r/Keyset", "times": 2}, "twice"),
    "two enabled profiles": ({"path": "Eis/ProfileInfo", "times": 2}, "twice"),
    "memory that is no number": ({"path": "Eis/RemainingMemory", "text": "-1"}, "RemainingMemory"),
    "ICCID that is none": ({"path": "Eis/ProfileInfo/Iccid", "text": "12"}, ""),
    "state that is none": ({"path": "Eis/ProfileInfo/State", "text": "Asleep"}, "state"),
    "no fall-back profile": ({"path": "Eis/ProfileInfo/FallbackAttribute", "text": "false"}, "fall-back"),
    "key that is no hexadecimal": ({"path": "Eis/Isd-r/Keyset/Key/KeyComponents", "value": "xy"}, "hexadecimal"),
    "key that is no whole block": ({"path": "Eis/Isd-r/Keyset/Key/KeyComponents", "value": "00" * 15}, "blocks"),
}


@pytest.mark.parametrize("name", EDITS)
def test_edit(tmp_path: Path, batch: Path, cards: dict[str, bytes], name: str) -> None:
    arguments, words = EDITS[name]
    xml = edited(cards["good"], **arguments)  # type: ignore[arg-type]

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.trust(batch)
            code = "8.2.1/3.3" if name == "two enabled profiles" else FORMAT
            await place.refused(place.register(xml), code, words)

    scenario()


DOCUMENTS = {
    "empty": b"",
    "no XML": b"EID;ICCID\n1;2\n",
    "cut off": b"<?xml version='1.0'?><Eis><Eid>",
    "unknown document": b"<Orders xmlns='urn:example'/>",
    "another request": f"<r:ES1-CreateEISRequest xmlns:r='{RPS}'/>".encode(),
    "external entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>',
    "DTD of somebody": b'<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd"><x/>',
    "empty DTD": b"<!DOCTYPE x><x/>",
    "billion laughs": (
        b'<!DOCTYPE x [<!ENTITY a "' + b"A" * 1000 + b'">'
        + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
        + b"]><x>&j;</x>"
    ),
    "deep": b"<x>" * 100_000 + b"</x>" * 100_000,
    "control characters": b"<x>\x00</x>",
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
@virtual
async def test_document(tmp_path: Path, name: str) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.refused(place.register(DOCUMENTS[name]), FORMAT)


@pytest.mark.parametrize(
    "dtd", [b"<!DOCTYPE x>", b'<!DOCTYPE x [<!ENTITY e "1">]>', b'<!DOCTYPE x SYSTEM "x.dtd">']
)
def test_good_delivery_behind_a_dtd(tmp_path: Path, batch: Path, cards: dict[str, bytes], dtd: bytes) -> None:
    """A delivery that would be taken without it."""

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.trust(batch)
            await place.refused(place.register(dtd + cards["good"]), FORMAT, "document type")
            assert len((await place.register(cards["good"])).new) == 1

    scenario()


@virtual
async def test_document_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eis_xml, "MAX_DELIVERY", 1000)
    async with Premises(tmp_path / "data") as place:
        await place.refused(place.register(b"<x>" + b" " * 1000 + b"</x>"), FORMAT, "larger than")


def test_without_trust_and_with_another_makers_key(tmp_path: Path, batch: Path, cards: dict[str, bytes]) -> None:
    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.refused(place.register(cards["good"]), "8.5.2/6.1")
            await place.operator.crypto(crypto.ImportTrustAnchor(pem=(batch / "ci.pem").read_bytes()))
            await place.refused(place.register(cards["good"]), "1.2/4.2", "no transport key")
            eum = "1.3.6.1.4.1.99999.40"
            await place.operator.crypto(crypto.ImportTransportKey(eum_id=eum, key=bytes(16)))
            await place.refused(place.register(cards["good"]), FORMAT, "key check value")

    scenario()


def test_trust_in_another_ci(tmp_path: Path, cards: dict[str, bytes]) -> None:
    other = make_batch(tmp_path / "other", seed="somebody else")

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.trust(other)
            await place.refused(place.register(cards["good"]), "8.5.2/6.1")

    scenario()


def test_eid_twice(tmp_path: Path, batch: Path, cards: dict[str, bytes]) -> None:
    """In one delivery; and later: the same again is known, another card with the same EID is refused."""
    twin = edited(cards["good"], "Eis/EumSignedInfo/PlatformType", "another")

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.trust(batch)
            await place.refused(place.register(join([cards["good"]] * 2)), "8.1.1/3.3", "twice")
            first = await place.register(cards["good"])
            async with place.unchanged():
                again = await place.register(cards["good"])
            assert (again.new, again.known) == ((), first.new)
            await place.refused(place.register(twin), "8.1.1/3.3")

    scenario()


def test_iccid_of_another_card(tmp_path: Path, batch: Path, cards: dict[str, bytes]) -> None:
    """In one delivery and later; ProfileInfo is not signed, so this can only be seen by comparing."""
    folder = make_batch(tmp_path / "two", count=2)
    first, second = (etree.fromstring(request) for request in split(folder))

    def iccid(request: etree._Element) -> etree._Element:
        found = request.find(f".//{{{RPS}}}ProfileInfo/{{{RPS}}}Iccid")
        assert found is not None
        return found

    iccid(second).text = iccid(first).text

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.trust(folder)
            one, other = etree.tostring(first), etree.tostring(second)
            await place.refused(place.register(join([one, other])), "8.2.1/3.3", "twice")
            await place.register(one)
            await place.refused(place.register(other), "8.2.1/3.3")

    scenario()


@virtual
async def test_dump_sees_a_change(tmp_path: Path) -> None:
    """The proof that nothing changed can fail."""
    async with Premises(tmp_path / "data") as place:
        before = place.dump()
        await place.operator.crypto(crypto.ImportTransportKey(eum_id="1.2", key=bytes(16)))
        assert before != dump(tmp_path / "data")
        assert isinstance(await place.operator.sm_sr(admin.ListEUICCs(owner="1.2")), admin.EUICCPage)
