"""Every pair of a change of SM-SR on ES4 and ES7, as the peer gets it (`sgp02-interfaces.md` 2.5, 2.6).

A test speaks for the other SM-SR. What the CryptoServer finds wrong is given here; that it finds it is shown where
certificates are made (`tests/negative/test_es1_register.py`, `tests/vectors`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

import sr_steps as s
from codes_of_functions import yields
from codes_world import FIRST, SECOND, STRANGER, Exchange, exchange, refuses
from ferryman.codec import tlv
from ferryman.contracts import codes, crypto, es4, es7
from ferryman.contracts.message import Body
from ferryman.contracts.status import failed
from ferryman.sm_sr.visibility import Viewer, view
from virtual_loop import virtual

CHANGE = es4.ES4SMSRChange(eid=s.EID, target_smsr_id=SECOND)
PREPARE = es4.ES4PrepareSMSRChange(eid=s.EID, current_smsr_id=SECOND)
HANDOVER = es7.ES7HandoverEUICC(eis=view(s.card(smsr_id=SECOND), Viewer.HANDOVER))
AUTHENTICATE = es7.ES7AuthenticateSMSR(eid=s.EID, certificate=tlv.encode(0x7F21, b"\x93\x01\x01"))
CREATE = es7.ES7CreateAdditionalKeySet(
    eid=s.EID, key_version=0x0F, initial_counter=0, key_length="ECC-256", scenario=8, host_id=b"",
    ephemeral_public_key=b"\x04" + bytes(64), signature=bytes(64),
)  # fmt: skip
EXPIRED_ECASD = failed(*codes.ECASD_CERTIFICATE_EXPIRED, "CERT.ECASD.ECKA is not valid now")
EXPIRED_SMSR = failed(*codes.SMSR_CERTIFICATE_EXPIRED, "CERT.SR.ECDSA is not valid now")


async def begun(w: Exchange) -> str:
    """The change has been asked for, and the other SM-SR has been offered the card; the name of the call."""
    await w.add(s.card())
    call = await w.send(CHANGE, s.OWNER, validity=30_000.0)
    await w.question(es7.ES7HandoverEUICC)
    return call


async def told(w: Exchange, status: Body) -> None:
    """The other SM-SR answers our offer."""
    header, _ = await w.question(es7.ES7HandoverEUICC)
    await w.send(status, SECOND, call=header.function_call_id)


@pytest.mark.parametrize(
    ("pair", "requester", "there"),
    [
        pytest.param("8.1.1/3.9", s.OWNER, False, marks=yields("ES4.SMSRChange", "8.1.1/3.9")),
        pytest.param("8.1/1.2", "1.3.6.1.4.1.99999.31", True, marks=yields("ES4.SMSRChange", "8.1/1.2")),
    ],
)
@virtual
async def test_a_change_that_does_not_begin(tmp_path: Path, pair: str, requester: str, there: bool) -> None:
    async with exchange(tmp_path) as w:
        if there:
            await w.add(s.card())
        assert await w.code(CHANGE, requester) == pair


@yields("ES4.SMSRChange", "8.5.2/6.3")
@virtual
async def test_the_new_sm_sr_finds_the_certificate_of_the_ecasd_expired(tmp_path: Path) -> None:
    async with exchange(tmp_path) as w:
        call = await begun(w)
        await told(w, es7.ES7HandoverEUICCResponse(status=EXPIRED_ECASD))
        assert (await w.answer(call)).status.code == "8.5.2/6.3"


@yields("ES4.SMSRChange", "8.4/4.2")
@virtual
async def test_the_card_makes_no_key_set(tmp_path: Path) -> None:
    """The new SM-SR hears it first, and gives up."""
    async with exchange(tmp_path) as w:
        call = await begun(w)
        w.card = refuses(0x6985)
        refused = await w.answer(await w.send(AUTHENTICATE, SECOND))
        assert refused.status.code == "8.4/4.2"
        await told(w, es7.ES7HandoverEUICCResponse(status=refused.status))
        assert (await w.answer(call)).status.code == "8.4/4.2"


@pytest.mark.parametrize("current", [FIRST, STRANGER], ids=["our own card", "no link to it"])
@yields("ES4.PrepareSMSRChange", "1.2/3")
@virtual
async def test_a_change_that_cannot_be_prepared(tmp_path: Path, current: str) -> None:
    async with exchange(tmp_path) as w:
        prepare = es4.ES4PrepareSMSRChange(eid=s.EID, current_smsr_id=current)
        assert await w.code(prepare, s.OWNER) == "1.2/3"


@yields("ES7.HandoverEUICC", "8.1.1/3.9")
@virtual
async def test_a_card_that_nobody_has_prepared_us_for(tmp_path: Path) -> None:
    async with exchange(tmp_path) as w:
        assert await w.code(HANDOVER, SECOND) == "8.1.1/3.9"


@yields("ES7.HandoverEUICC", "8.5.2/6.3")
@virtual
async def test_a_card_whose_certificate_has_expired(tmp_path: Path) -> None:
    async with exchange(tmp_path) as w:
        assert await w.code(PREPARE, s.OWNER) == ""
        w.refusals = {crypto.VerifyEUICC: EXPIRED_ECASD}
        assert await w.code(HANDOVER, SECOND) == "8.5.2/6.3"


@yields("ES7.AuthenticateSMSR", "8.1.1/3.9")
@yields("ES7.CreateAdditionalKeySet", "8.1.1/3.9")
@virtual
async def test_an_sm_sr_that_nobody_has_offered_the_card_to(tmp_path: Path) -> None:
    async with exchange(tmp_path) as w:
        await w.add(s.card())
        assert await w.code(AUTHENTICATE, SECOND) == "8.1.1/3.9"
        assert await w.code(CREATE, SECOND) == "8.1.1/3.9"


@yields("ES7.AuthenticateSMSR", "8.5.3/6.3")
@virtual
async def test_an_sm_sr_whose_certificate_has_expired(tmp_path: Path) -> None:
    async with exchange(tmp_path) as w:
        await begun(w)
        w.refusals = {crypto.VerifySMSRCertificate: EXPIRED_SMSR}
        assert await w.code(AUTHENTICATE, SECOND) == "8.5.3/6.3"
