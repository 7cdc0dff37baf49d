"""An order with a template that declares its own variables, in value notation with references."""

from __future__ import annotations

from typing import Any

from e2e import checks
from e2e.bench import bench
from ferryman.codec.saip.notation_writer import write_notation
from ferryman.contracts.status import Status
from ferryman.profile.definition import combined
from ferryman.profile.demo_template import demo_template
from ferryman.profile.documents import dump_yaml
from ferryman.profile.template import with_slots
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
