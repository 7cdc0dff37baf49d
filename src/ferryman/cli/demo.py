"""`ferryman demo`: an operator's profile reaches simulated eUICCs over the air, is enabled, and attaches."""

from __future__ import annotations

import asyncio
import json as jsonlib
import secrets
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ferryman.cli import demo_soap, output
from ferryman.cli.commands import OWNER, read_file
from ferryman.cli.demo_world import SMSR_ADDRESS, SYSTEM_ID, World, simulate, world
from ferryman.cli.operator import Operator
from ferryman.cli.settings import Settings
from ferryman.cli.up import running
from ferryman.contracts import admin, crypto
from ferryman.contracts.eis import ProfileState
from ferryman.contracts.message import Body
from ferryman.errors import InputError, Unavailable
from ferryman.platform.log import configure
from ferryman.profile.demo_template import demo_template
from ferryman.sm_sr.records import SRSettings
from ferryman.transport_https.session import HTTPSSettings
from ferryman.transport_sms.settings import SMPPSettings

PROFILE_TYPE = "demo"
MAX_FLEET = 500
VALIDITY = 1800.0  # s; also the longest that the demo waits
POLL = 0.1  # s
CARD_ENABLED = 0x3F
SUBJECT = "534D445001"  # SM-DP identifier in CERT.DP.ECDSA (5F20)


async def demo(
    *,
    transport: str = "https",
    via: str = "",
    fleet: int = 3,
    template: Path | None = None,
    seed: str = "1",
    json: bool = False,
) -> int:
    """Download a profile to simulated eUICCs and enable it, with every link real.

    Parameters
    ----------
    transport
        How commands reach the eUICCs: "https" (after a trigger SMS) or "sms".
    via
        How the operator orders: "soap" (ES2 over mutual TLS), or as the operator's tools do.
    fleet
        Number of eUICCs.
    template
        A profile package (DER) to use as template instead of our own.
    seed
        Seed of the simulated world.
    """
    if transport not in ("https", "sms"):
        raise InputError("--transport", 'must be "https" or "sms"')
    if via not in ("", "soap"):
        raise InputError("--via", 'must be "soap", or left out')
    if not 1 <= fleet <= MAX_FLEET:
        raise InputError("--fleet", f"must be 1 to {MAX_FLEET}")
    package = read_file(template) if template is not None else demo_template()
    configure("error", "console")
    with tempfile.TemporaryDirectory(prefix="ferryman-demo-") as folder:
        results = await _run(Path(folder), transport=transport, via=via, fleet=fleet, package=package, seed=seed)
    if json:
        output.emit({"euiccs": results})
    else:
        _table(results)
    good = all(r["state"] == "ENABLED" and r["authenticate"] for r in results)
    return output.DONE if good else output.FAILED


async def _run(
    folder: Path, *, transport: str, via: str, fleet: int, package: bytes, seed: str
) -> list[dict[str, Any]]:
    password = secrets.token_hex(4)
    output.progress.print(f"making {fleet} cards, starting HLR, SMSC and eUICCs")
    async with world(folder / "world", count=fleet, seed=seed, password=password) as around:
        settings = settings_for(folder / "ferryman", transport, around.smpp_port, password)
        if via:
            settings = replace(settings, soap=demo_soap.settings(folder / "soap"))
        async with running(settings) as (installation, addresses):
            output.progress.print("platform is up: " + ", ".join(f"{n} {a}" for n, a in addresses.items()))
            operator = Operator(installation.bus, OWNER)
            await set_up(operator, around, package)
            soap = await _by_soap(operator, settings, folder, addresses) if via else None
            place = partial(_place, operator) if soap is None else partial(_place_by_soap, operator, soap)
            orders = await place_orders(operator, around, place)
            if soap is not None:
                for status in await soap.answers(len(orders), patience=VALIDITY):
                    output.progress.print(
                        f"  ES2.DownloadProfile answered: {status.status} {status.code}".rstrip()
                    )
            ended = [await result_of(operator, around, order, transport) for order in orders]
    return ended


def settings_for(data: Path, transport: str, smpp_port: int, password: str) -> Settings:
    https_port = _free_port() if transport == "https" else 0
    sm_sr = SRSettings(transport=transport)
    if https_port:
        sm_sr = SRSettings(
            transport=transport,
            trigger_host="127.0.0.1",
            trigger_address="127.0.0.1",
            trigger_port=https_port,
            trigger_uri="/gsma/adminagent",
        )
    return Settings(
        data=data,
        sm_sr=sm_sr,
        smpp=SMPPSettings(
            host="127.0.0.1",
            port=smpp_port,
            system_id=SYSTEM_ID,
            password=password,
            source_addr=SMSR_ADDRESS,
            window=50,
        ),
        https=HTTPSSettings("127.0.0.1", https_port) if https_port else None,
    )


def _free_port() -> int:
    """The trigger SMS names the port before the server listens on it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def set_up(operator: Operator, around: World, package: bytes) -> None:
    """What an operator does once: trust, certificate, cards, template, subscriptions."""
    folder = around.folder
    await operator.crypto(crypto.ImportTrustAnchor(pem=read_file(folder / "ci.pem")))
    made = await operator.crypto(crypto.MakeSigningKey(role="dp"))
    if not isinstance(made, crypto.SigningKey):
        raise Unavailable("the CryptoServer's signing key")
    key_file, certificate = folder / "sm-dp.pem", folder / "sm-dp.cert"
    key_file.write_bytes(made.public_key_pem)
    await simulate(
        *("card-maker", "certify", "--out-dir", str(folder), "--public-key", str(key_file), "--role", "dp"),
        *("--subject-id", SUBJECT, "--out", str(certificate)),
    )
    tlv = bytes.fromhex(certificate.read_text().strip())
    await operator.crypto(crypto.ImportCertificate(role="dp", certificate=tlv))
    batch = jsonlib.loads((folder / "batch.json").read_text())
    key = bytes.fromhex((folder / "transport-key.hex").read_text().strip())
    await operator.crypto(crypto.ImportTransportKey(eum_id=batch["eum"]["oid"], key=key))
    registered = await operator.sm_sr(admin.RegisterEIS(xml=read_file(folder / "eis.xml")))
    imported = await operator.sm_dp(admin.ImportTemplate(owner=OWNER, name=PROFILE_TYPE, der=package))
    subscriptions = await operator.import_subscriptions(read_file(folder / "operator.csv"), PROFILE_TYPE)
    if isinstance(registered, admin.Registered) and isinstance(imported, admin.TemplateImported):
        output.progress.print(
            f"{len(registered.new)} eUICCs registered, template of {imported.size} bytes and "
            f"{subscriptions.new} subscriptions imported"
        )


@dataclass(frozen=True, slots=True)
class _Ended:
    """An order that has ended, and how long it took."""

    view: admin.OrderView
    seconds: float


async def _place(operator: Operator, eid: str) -> Body:
    order = admin.CreateOrder(owner=OWNER, eid=eid, profile_type=PROFILE_TYPE, enable=True, validity=VALIDITY)
    return await operator.sm_dp(order)


async def _by_soap(
    operator: Operator, settings: Settings, folder: Path, addresses: dict[str, str]
) -> demo_soap.SOAPOperator:
    soap = demo_soap.SOAPOperator(
        folder / "soap", addresses["soap"], OWNER, smdp_id=settings.sm_dp.smdp_id, smsr_id=settings.sm_sr.smsr_id
    )
    await soap.introduce(operator)
    return soap


async def _place_by_soap(operator: Operator, soap: demo_soap.SOAPOperator, eid: str) -> Body:
    await soap.order(eid, PROFILE_TYPE, validity=VALIDITY)
    output.progress.print(f"  {eid}  ES2.DownloadProfile taken, HTTP 202")
    while True:
        page = await operator.sm_dp(admin.ListOrders(owner=OWNER))
        if isinstance(page, admin.OrderPage) and (found := [one for one in page.orders if one.eid == eid]):
            return found[0]
        await asyncio.sleep(POLL)


async def place_orders(
    operator: Operator, around: World, place: Callable[[str], Awaitable[Body]] | None = None
) -> list[_Ended]:
    """Order for every eUICC at once and show each step as it is reached."""
    running: dict[str, tuple[admin.OrderView, float]] = {}
    shown: dict[str, int] = {}
    for eid in around.eids:
        view = await (place(eid) if place is not None else _place(operator, eid))
        if isinstance(view, admin.OrderView):
            running[view.order_id] = (view, time.monotonic())
    ended: list[_Ended] = []
    while running:
        await asyncio.sleep(POLL)
        for order_id, (_, since) in list(running.items()):
            view = await operator.sm_dp(admin.ShowOrder(owner=OWNER, order_id=order_id))
            if not isinstance(view, admin.OrderView):
                continue
            for step in view.steps[shown.get(order_id, 1) :]:
                output.progress.print(f"  {view.eid}  {step.at - view.steps[0].at:6.2f} s  {step.name}")
            shown[order_id] = len(view.steps)
            if view.state == "done":
                del running[order_id]
                ended.append(_Ended(view, time.monotonic() - since))
    return ended


async def result_of(operator: Operator, around: World, order: _Ended, transport: str) -> dict[str, Any]:
    """One eUICC as EIS, card and network see it at the end."""
    view = order.view
    card = await around.ask(op="status", eid=view.eid)
    answer = await around.ask(op="authenticate", eid=view.eid)
    page = await operator.sm_sr(admin.ShowEUICC(owner=OWNER, eid=view.eid))
    profiles = page.euiccs[0].profiles if isinstance(page, admin.EUICCPage) else ()
    in_eis = next((p.state for p in profiles if p.iccid == view.iccid), None)
    on_card = next((p for p in card["profiles"] if p["iccid"] == view.iccid), None)
    counters = card["counters"]
    result: dict[str, Any] = {
        "eid": view.eid,
        "iccid": view.iccid,
        "isdp_aid": view.isdp_aid,
        "state": _state(in_eis, on_card),
        "transport": transport,
        "profile_bytes": view.profile_bytes,
        "sms": counters["sms_mt"] + counters["sms_mo"],
        "https_sessions": counters["https_sessions"],
        "seconds": round(order.seconds, 2),
        "authenticate": bool(answer.get("authenticated"))
        and on_card is not None
        and card["attached"] == on_card["imsi"],
    }
    if view.status is not None and view.status.subject:
        result["status"] = f"{view.status.status} {view.status.code} {view.status.message}"
    return result


def _state(in_eis: ProfileState | None, on_card: dict[str, Any] | None) -> str:
    """ENABLED only when EIS and card agree on it."""
    if on_card is None:
        return "ABSENT" if in_eis is None else f"EIS {in_eis.value}, not on the card"
    if in_eis is ProfileState.ENABLED and on_card["state"] == CARD_ENABLED:
        return "ENABLED"
    return f"EIS {in_eis.value if in_eis else 'none'}, card {on_card['state']:02X}"


def _table(results: list[dict[str, Any]]) -> None:
    columns = [
        "EID",
        "ICCID",
        "state",
        "transport",
        "profile bytes",
        "SMS",
        "HTTPS sessions",
        "seconds",
        "AUTHENTICATE",
    ]
    rows = [
        [
            r["eid"],
            r["iccid"],
            r["state"],
            r["transport"],
            str(r["profile_bytes"]),
            str(r["sms"]),
            str(r["https_sessions"]),
            f"{r['seconds']:.2f}",
            "ok" if r["authenticate"] else "FAILED",
        ]
        for r in results
    ]
    output.table("eUICCs after download and enabling", columns, rows)
    for r in results:
        if "status" in r:
            output.line(f"{r['eid']}: {r['status']}")
