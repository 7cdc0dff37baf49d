"""An order with a template that declares its own variables, in value notation with references."""

from __future__ import annotations

import io
from typing import Any

import msgspec

from e2e import checks
from e2e.bench import Bench, bench
from ferryman.codec.saip.notation_writer import write_notation
from ferryman.contracts import admin, imports
from ferryman.contracts.message import Body
from ferryman.contracts.status import Status
from ferryman.platform.importing import Ask, Importer
from ferryman.profile.definition import combined
from ferryman.profile.demo_template import demo_template
from ferryman.profile.documents import dump_yaml
from ferryman.profile.template import with_slots
from saip_samples import ts48
from virtual_loop import virtual

KEY = {"type": "hex", "length": 16, "secret": True}
CODE = {"type": "octets", "length": 8, "secret": True}
VARIABLES: dict[str, Any] = {
    "iccid": {"type": "digits", "length": "19..20"},
    "imsi": {"type": "digits", "length": 15},
    "label": {"type": "text", "length": "1..16", "default": "declared"},
    "iccid_header": {"derive": "iccid_header(iccid)"},
    "iccid_ef": {"derive": "iccid_ef(iccid)"},
    "imsi_ef": {"derive": "imsi_ef(imsi)"},
    "acc": {"derive": "acc(imsi)"},
    "name": {"derive": "padded(label, 16)"},
    **dict.fromkeys(("ki", "opc", "kic", "kid", "kik"), KEY),
    **dict.fromkeys(("pin1", "pin2", "puk1", "puk2", "adm1"), CODE),
}


def declared_template() -> bytes:
    """The demo template in value notation, its variables as references, the network's name as one more."""
    text = write_notation(with_slots(demo_template()).package)
    spn = "'00" + b"Ferryman".ljust(16, b"\xff").hex().upper() + "'H"
    assert "key ki," in text
    assert spn in text
    return combined(text.replace(spn, "'00{name}'H").encode(), dump_yaml({"variables": VARIABLES}).encode())


@virtual
async def test_order_with_declared_variables() -> None:
    async with bench("https", template=declared_template()) as b:
        view, status = await b.run_order()
        await checks.everything(b, view)
        assert status.status is Status.SUCCESS
        assert b.world.status(b.eid)["authenticated"]
        card = await checks.eis(b, b.eid)
        assert card.enabled is not None
        assert card.enabled.iccid == view.iccid
        assert segments(b)


def segments(b: Bench) -> list[dict[str, Any]]:
    """What the card was sent of a profile."""
    return [entry for entry in b.device(b.eid).card.log if entry["command"].startswith("SCP03t Segment")]


class Unchecked:
    """An operator of a release that did not compare the rows of a file with the template."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.owner = ask.owner

    async def crypto(self, body: Body) -> Body:
        return await self._ask.crypto(body)

    async def sm_dp(self, body: Body) -> Body:
        answer = await self._ask.sm_dp(body)
        if isinstance(answer, imports.RegistrationOpened):
            return msgspec.structs.replace(answer, demands=b"")
        return answer


SUCI = {
    "iccid": {"type": "digits", "length": 19},
    "iccid_header": {"derive": "iccid_header(iccid)"},
    "ki": {"type": "hex", "length": 16, "secret": True},
    "keys": {"type": "tlv", "length": "0..20", "default": ""},
}
SUCI_MAP = {
    "header.iccid": "{iccid_header}",
    "akaParameter[usim].key": "{ki}",
    "df-saip.ef-suci-calc-info-usim.content": "A0020000{keys}",
}
SUCI_MAPPING = """
algorithm: test
columns:
  ICCID: {is: iccid, spelling: digits}
  IMSI: {is: imsi, spelling: digits}
  KI: ki
  KEYS: {is: var.keys, spelling: hex}
"""


@virtual
async def test_values_that_bring_objects_end_an_order_before_the_profile_is_sent() -> None:
    """Imported before its rows were checked: at the order the rule holds as well, and names the variable."""
    source = combined(ts48("TS48v7_SAIP2.3_BERTLV_SUCI"), dump_yaml({"variables": SUCI, "map": SUCI_MAP}).encode())
    async with bench("https") as b:
        await b.operator.sm_dp(admin.ImportTemplate(owner=b.operator.owner, name="suci", der=source))
        row = "8988211900000000012,001019000000001,A1B2C3D4E5F60718293A4B5C6D7E8F90,A10580011181"
        content = io.BytesIO(f"ICCID,IMSI,KI,KEYS\n{row}\n".encode())
        assert (await Importer(Unchecked(b.operator)).file(content, "suci", mapping=SUCI_MAPPING)).new == 1
        view, status = await b.run_order(iccid="8988211900000000012", profile_type="")
        await checks.everything(b, view)
        assert status.status is Status.FAILED
        assert "keys: must be whole data objects and nothing behind them [variable-tlv]" in status.message
        assert segments(b) == []
