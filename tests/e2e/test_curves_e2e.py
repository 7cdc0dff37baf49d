"""Cards whose EUM chose brainpoolP256r1: the curve of CERT.ECASD.ECKA decides (SGP.02 2.3.2, 3.1.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e import checks
from e2e.bench import Bench, bench
from e2e.two_smsrs import FIRST, SECOND, first_settings, join
from e2e.two_smsrs import certify as certify_smsr
from ferryman.cli.operator import Operator
from ferryman.contracts import crypto
from ferryman.contracts.status import Status
from ferryman.secure.certificate import parse_certificate
from ferryman.secure.ecka import Curve
from rig import OWNER, certify
from virtual_loop import virtual

BRAINPOOL = ("--curve", "brainpoolP256r1")
REFERENCE = 0x03


async def certified(b: Bench) -> None:
    """A second CERT.DP.ECDSA, for cards on the other curve; the first one stays."""
    before = await b.operator.crypto(crypto.MakeSigningKey(role="dp"))
    made = await b.operator.crypto(crypto.MakeSigningKey(role="dp", curve=REFERENCE))
    assert isinstance(made, crypto.SigningKey)
    pem = Path(b.world.folder) / "dp-brainpool.pem"
    pem.write_bytes(made.public_key_pem)
    issued = certify(b.world.folder, pem)
    assert parse_certificate(issued).curve is Curve.BRAINPOOL_P256R1
    await b.operator.crypto(crypto.ImportCertificate(role="dp", certificate=issued))
    assert await b.operator.crypto(crypto.MakeSigningKey(role="dp")) == before


def ecasd_curve(b: Bench) -> Curve:
    return parse_certificate(b.device().card._core.state.ecasd.certificate).curve


@pytest.mark.parametrize("transport", ["sms", "https"])
@virtual
async def test_a_card_on_brainpool_gets_its_profile(transport: str) -> None:
    async with bench(transport, options=BRAINPOOL) as b:
        assert ecasd_curve(b) is Curve.BRAINPOOL_P256R1
        await certified(b)
        view, status = await b.run_order()
        assert status.status is Status.SUCCESS, status
        await checks.everything(b, view)
        assert b.world.status(b.eid)["authenticated"]


@virtual
async def test_without_a_certificate_on_its_curve_nothing_is_begun_with_the_card() -> None:
    async with bench("sms", options=BRAINPOOL) as b:
        _, status = await b.run_order()
        assert status.status is Status.FAILED
        assert "no CERT.DP.ECDSA on the card's curve (03)" in status.message
        assert not [line for line in b.log() if "3A01" in line or "PersonaliseISDP" in line]


@virtual
async def test_the_certificate_of_the_other_curve_does_not_help_a_card_on_p256() -> None:
    async with bench("https") as b:
        assert ecasd_curve(b) is Curve.P256
        await certified(b)
        view, status = await b.run_order()
        assert status.status is Status.SUCCESS, status
        await checks.everything(b, view)


@virtual
async def test_a_card_on_brainpool_changes_its_sm_sr() -> None:
    async with bench("sms", options=BRAINPOOL, sr=first_settings()) as b:
        wire = await join(b)
        try:
            operator = Operator(wire.second.installation.bus, OWNER)
            made = await operator.crypto(crypto.MakeSigningKey(role="sr", curve=REFERENCE))
            assert isinstance(made, crypto.SigningKey)
            pem = Path(b.world.folder) / "sr-brainpool.pem"
            pem.write_bytes(made.public_key_pem)
            issued = certify_smsr(b.world.folder, pem)
            await operator.crypto(crypto.ImportCertificate(role="sr", certificate=issued))
            status = await wire.change()
            assert status.status is Status.SUCCESS, status
            assert await wire.owner() == SECOND
            assert await wire.card(FIRST) is None
        finally:
            await wire.close()
