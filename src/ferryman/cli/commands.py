"""Commands on templates, subscriptions, cards, orders, keys and certificates."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from pathlib import Path
from typing import Literal

import msgspec
from cyclopts import App

from ferryman.cli import eis_file, output
from ferryman.cli.connectivity import NONE as NO_CONNECTIVITY
from ferryman.cli.connectivity import Connectivity, parameters_of
from ferryman.cli.operator import Operator
from ferryman.cli.session import operator
from ferryman.contracts import admin, crypto
from ferryman.contracts.eis import EIS, PolicyRule
from ferryman.errors import InputError
from ferryman.profile.definition import combined

OWNER = "1.3.6.1.4.1.99999.30"  # Mno-id used when none is given: a documentation OID (docs/divergences.md)
DATA = Path("var/ferryman")
CURVES = {"P-256": 0x00, "brainpoolP256r1": 0x03}  # key parameter references
SHOWN = 20  # refused cards of an import that are printed; the report has all
POLL = 0.2  # s between looks at an order that is waited for

template = App(name="template", help="Profile templates.")
euicc = App(name="euicc", help="eUICCs and their EIS.")
order = App(name="order", help="Orders of profile downloads.")
certificate = App(name="certificate", help="Our certificates and the CIs we trust.")
key = App(name="key", help="Keys agreed with others.")
ALL = (template, euicc, order, certificate, key)


def read_file(path: Path) -> bytes:
    """Contents of a file a person named; raises InputError."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(str(path), f"cannot be read ({problem.strerror})") from None


def write_file(path: Path, text: str) -> None:
    """Write a file a person named; raises InputError."""
    try:
        path.write_text(text)
    except OSError as problem:
        raise InputError(str(path), f"cannot be written ({problem.strerror})") from None


@template.command(name="import")
async def template_import(
    file: Path,
    *,
    name: str,
    variables: Path | None = None,
    algorithm: Literal["milenage", "tuak128", "tuak256", "as-is"] = "milenage",
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Import a profile package as the template of a profile type.

    Without declared variables the places of a subscription's values are found by their meaning.

    Parameters
    ----------
    file
        The package in DER, value notation or YAML, or a whole definition in YAML.
    name
        Name of the profile type.
    variables
        A YAML file that declares the variables of the package and, for one without references, where they go.
    algorithm
        "milenage", "tuak128", "tuak256": authentication is changed to it; "as-is": algorithm stays.
    """
    content = read_file(file)
    if variables is not None:
        content = combined(content, read_file(variables))
    request = admin.ImportTemplate(owner=owner, name=name, der=content, algorithm=algorithm)
    async with operator(data, owner) as calls:
        done = await calls.sm_dp(request)
    if json:
        output.emit(done)
    elif isinstance(done, admin.TemplateImported):
        state = "imported" if done.new else "was imported before"
        output.line(f"template {done.name} {state}: {done.size} bytes, needs {', '.join(done.slots)}")
        for warning in done.warnings:
            output.line(warning)
    return output.DONE


@euicc.command(name="import")
async def euicc_import(
    file: Path,
    *,
    each: bool = False,
    report: Path | None = None,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Register the cards of a card maker's EIS delivery (XML), all or none.

    Parameters
    ----------
    each
        Every card for itself, read piece by piece with progress; exit status 1 when one was refused.
    report
        File for one line of CSV for each card that was refused.
    """
    async with operator(data, owner) as calls:
        if each:
            done = await _import_each(calls, file)
        else:
            answer = await calls.sm_sr(admin.RegisterEIS(xml=read_file(file)))
            done = answer if isinstance(answer, admin.Registered) else admin.Registered(new=(), known=())
    if report is not None:
        write_file(report, _report(done))
    if json:
        output.emit(done)
    else:
        refused = f", {len(done.refused)} refused" if each else ""
        output.line(f"{len(done.new)} eUICCs registered, {len(done.known)} were there before{refused}")
        for row in done.refused[:SHOWN]:
            output.line(f"  card {row.number} {row.eid}: {row.status.code} {row.status.message}")
    return output.FAILED if done.refused else output.DONE


async def _import_each(calls: Operator, file: Path) -> admin.Registered:
    new: list[str] = []
    known: list[str] = []
    refused: list[admin.RefusedCard] = []
    for first, xml in eis_file.pieces(file):
        answer = await calls.sm_sr(admin.RegisterEIS(xml=xml, each=True))
        if isinstance(answer, admin.Registered):
            new += answer.new
            known += answer.known
            refused += [msgspec.structs.replace(row, number=row.number + first - 1) for row in answer.refused]
        count = len(new) + len(known) + len(refused)
        output.progress.print(f"{count} cards: {len(new)} new, {len(known)} known, {len(refused)} refused")
    return admin.Registered(new=tuple(new), known=tuple(known), refused=tuple(refused))


def _report(done: admin.Registered) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("number", "eid", "code", "message"))
    for row in done.refused:
        rows.writerow((row.number, row.eid, row.status.code, row.status.message))
    return text.getvalue()


@euicc.command(name="list")
async def euicc_list(*, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """List the eUICCs with the profiles that the owner may see."""
    found: list[EIS] = []
    async with operator(data, owner) as calls:
        while True:
            after = found[-1].eid if found else ""
            page = await calls.sm_sr(admin.ListEUICCs(owner=owner, after=after))
            if not isinstance(page, admin.EUICCPage) or not page.euiccs:
                break
            found += page.euiccs
    if json:
        output.emit({"euiccs": [public(eis) for eis in found]})
    else:
        rows = [[eis.eid, eis.platform_type, str(eis.remaining_memory), _profiles(eis)] for eis in found]
        output.table("eUICCs", ["EID", "type", "free bytes", "profiles"], rows)
    return output.DONE


def public(eis: EIS) -> dict[str, object]:
    """An EIS as a person reads it; the signed XML is left out."""
    return {
        "eid": eis.eid,
        "eum_id": eis.eum_id,
        "platform_type": eis.platform_type,
        "platform_version": eis.platform_version,
        "remote_provisioning_version": eis.remote_provisioning_version,
        "remaining_memory": eis.remaining_memory,
        "smsr_id": eis.smsr_id,
        "profiles": [
            {
                "iccid": p.iccid,
                "isdp_aid": p.isdp_aid.hex().upper(),
                "state": p.state.value,
                "fallback": p.fallback,
                "msisdn": p.msisdn,
                "profile_type": p.profile_type,
                "allocated_memory": p.allocated_memory,
            }
            for p in eis.profiles
        ],
    }


def _profiles(eis: EIS) -> str:
    return ", ".join(f"{p.iccid} {p.state.value}" for p in eis.profiles) or "-"


@euicc.command(name="show")
async def euicc_show(eid: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Show one eUICC."""
    async with operator(data, owner) as calls:
        page = await calls.sm_sr(admin.ShowEUICC(owner=owner, eid=eid))
    eis = page.euiccs[0] if isinstance(page, admin.EUICCPage) else None
    if eis is not None and json:
        output.emit(public(eis))
    elif eis is not None:
        output.line(
            f"EID {eis.eid}, type {eis.platform_type} {eis.platform_version}, {eis.remaining_memory} bytes free"
        )
        rows = [[p.iccid, p.isdp_aid.hex().upper(), p.state.value, p.profile_type] for p in eis.profiles]
        output.table("profiles", ["ICCID", "ISD-P AID", "state", "type"], rows)
    return output.DONE


@order.command(name="create")
async def order_create(
    *,
    eid: str,
    iccid: str = "",
    profile_type: str = "",
    enable: bool = True,
    validity: float = 86_400.0,
    policy: tuple[str, ...] = (),
    imsi: str = "",
    msisdn: str = "",
    pol1: str | None = None,
    connectivity: Connectivity = NO_CONNECTIVITY,
    keys: Literal["keep", "destroy", "hand-over"] = "keep",
    keys_under: str = "",
    hold: tuple[Literal["before-download", "after-enable", "none"], ...] | None = None,
    delete_token: bool = False,
    call_id: str = "",
    wait: bool = False,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Order the download of a profile (ES2.DownloadProfile).

    Parameters
    ----------
    eid
        The eUICC.
    iccid
        The subscription; or give `--profile-type` to take the next free one.
    validity
        Seconds in which the whole order must be done.
    policy
        Rules of POL2 as ACTION:QUALIFICATION, for example DISABLE:Not-Allowed.
    imsi, msisdn
        Subscription address, when it is not that of the subscription.
    pol1
        POL1 byte in hex instead of the template's; an empty text takes it away.
    keys
        What becomes of the ISD-P's keys: keep, destroy, or hand-over under the key that `keys_under` names.
    hold
        Where the order waits for a release: before-download, after-enable, none; else as its type's hook says.
    delete_token
        Load a token key into the ISD-P, so that its Master Delete can be authorised later.
    call_id
        FunctionCallIdentifier; the same one again finds the same order.
    wait
        Wait until the order has ended; exit status 1 when it failed.
    """
    request = admin.CreateOrder(
        owner=owner,
        eid=eid,
        iccid=iccid,
        profile_type=profile_type,
        enable=enable,
        validity=validity,
        pol2=read_rules(policy),
        imsi=imsi,
        msisdn=msisdn,
        pol1=None if pol1 is None else _octets("pol1", pol1),
        connectivity=parameters_of(connectivity),
        keys=keys,
        keys_under=keys_under,
        delete_token=delete_token,
        hold=() if hold == ("none",) else hold,
    )
    async with operator(data, owner) as calls:
        view = await calls.sm_dp(request, call_id=call_id)
        while wait and isinstance(view, admin.OrderView) and view.state == "running":
            await asyncio.sleep(POLL)
            view = await calls.sm_dp(admin.ShowOrder(owner=owner, order_id=view.order_id))
    return show_order(view, json=json)


@order.command(name="show")
async def order_show(order_id: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Show an order: its state, its steps with their times, its result."""
    async with operator(data, owner) as calls:
        view = await calls.sm_dp(admin.ShowOrder(owner=owner, order_id=order_id))
    show_order(view, json=json)
    return output.DONE


def show_order(view: object, *, json: bool) -> int:
    """Print an order; FAILED when it has failed."""
    if not isinstance(view, admin.OrderView):
        return output.FAILED
    if json:
        output.emit(view)
    else:
        result = (
            ""
            if view.status is None
            else f", {view.status.status} {view.status.code} {view.status.message}".rstrip()
        )
        output.line(f"order {view.order_id}: ICCID {view.iccid} to EID {view.eid}, {view.step}{result}")
    return output.FAILED if view.status is not None and not view.status.ok else output.DONE


@certificate.command(name="request")
async def certificate_request(
    *,
    role: Literal["dp", "sr"] = "dp",
    curve: Literal["P-256", "brainpoolP256r1"] = "P-256",
    output_file: Path | None = None,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Make our signing key if there is none and print its public half, for the CI to certify.

    Parameters
    ----------
    role
        "dp" for the SM-DP, "sr" for the SM-SR.
    curve
        Of the cards that the key is for: their ECASD certificate says which.
    """
    request = crypto.MakeSigningKey(role=role, curve=CURVES[curve])
    async with operator(data, owner) as calls:
        made = await calls.crypto(request)
    pem = made.public_key_pem.decode() if isinstance(made, crypto.SigningKey) else ""
    if output_file is not None:
        write_file(output_file, pem)
    if json:
        output.emit({"role": role, "public_key_pem": pem})
    elif output_file is None:
        output.line(pem.rstrip())
    return output.DONE


@certificate.command(name="import")
async def certificate_import(
    file: Path, *, role: Literal["dp", "sr"] = "dp", data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """Import the certificate that a CI issued for our key (7F21, hexadecimal or binary)."""
    content = read_file(file)
    with contextlib.suppress(ValueError):  # binary when it is no hexadecimal text
        content = bytes.fromhex(content.decode("ascii").strip())
    async with operator(data, owner) as calls:
        await calls.crypto(crypto.ImportCertificate(role=role, certificate=content))
    _said("certificate imported", json=json)
    return output.DONE


@certificate.command(name="trust")
async def certificate_trust(file: Path, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Trust a CI: its self-signed X.509 certificate, PEM."""
    request = crypto.ImportTrustAnchor(pem=read_file(file))
    async with operator(data, owner) as calls:
        await calls.crypto(request)
    _said("CI certificate trusted", json=json)
    return output.DONE


@key.command(name="import-transport")
async def key_import_transport(
    file: Path, *, eum: str, data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """Import the transport key agreed with a card maker (a file with its hexadecimal value).

    Parameters
    ----------
    eum
        Eum-id (OID) of the card maker.
    """
    request = crypto.ImportTransportKey(eum_id=eum, key=read_hex_file(file))
    async with operator(data, owner) as calls:
        await calls.crypto(request)
    _said("transport key imported", json=json)
    return output.DONE


@key.command(name="import-operator")
async def key_import_operator(
    file: Path, *, name: str, data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """Import a key agreed with an operator or a maker of SIMs, or an OP or TOP (a file with its hex digits).

    Parameters
    ----------
    name
        The name by which mappings, ranges and exports call it.
    """
    request = crypto.ImportTransportKey(eum_id=name, key=read_hex_file(file))
    async with operator(data, owner) as calls:
        await calls.crypto(request)
    _said(f"key {name} imported", json=json)
    return output.DONE


def _octets(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError(name, "must be hexadecimal") from None


def read_rules(words: tuple[str, ...]) -> tuple[PolicyRule, ...]:
    """Rules of POL2 from ACTION:QUALIFICATION. Raises InputError."""
    rules: list[PolicyRule] = []
    for word in words:
        action, colon, qualification = word.partition(":")
        if not colon or action not in ("ENABLE", "DISABLE", "DELETE"):
            raise InputError("rule", "must be ENABLE, DISABLE or DELETE, a colon, and Not-Allowed or Auto-Delete")
        if qualification not in ("Not-Allowed", "Auto-Delete"):
            raise InputError("rule", "must end with Not-Allowed or Auto-Delete")
        rules.append(PolicyRule(action, qualification))
    return tuple(rules)


def read_hex_file(file: Path) -> bytes:
    """A key from a file with its hexadecimal digits. Raises InputError."""
    try:
        return bytes.fromhex(read_file(file).decode("ascii").strip())
    except ValueError:
        raise InputError(str(file), "must hold the key in hexadecimal") from None


def _said(sentence: str, *, json: bool) -> None:
    if json:
        output.emit({"done": sentence})
    else:
        output.line(sentence)
