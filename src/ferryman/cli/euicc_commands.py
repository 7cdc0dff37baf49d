"""Commands that look into the repository of eUICCs: find, info, tag, types, history, explain, dry run."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from cyclopts import App

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, euicc, public
from ferryman.cli.session import operator
from ferryman.contracts import admin
from ferryman.contracts.eis import AuditRecord, PolicyRule, ProfileInfo
from ferryman.errors import InputError

STAFF = ""  # no owner: the platform's own staff, who sees every profile
HISTORY_PAGE = 1000

OPERATIONS = {
    0x0001: "eUICC declaration",
    0x0002: "profile change succeeded",
    0x0003: "profile change failed, rolled back",
    0x0005: "profile change after fall-back",
    0x0100: "CreateISDP",
    0x0200: "EnableProfile",
    0x0300: "DisableProfile",
    0x0400: "DeleteProfile",
    0x0500: "eUICCCapabilityAudit",
    0x0600: "MasterDelete",
    0x0700: "SetFallbackAttribute",
    0x0800: "EstablishISDRKeySet",
    0x0900: "FinaliseISDRhandover",
}

types = App(name="type", help="Kinds of eUICCs: what holds for all cards of a maker, platform or version.")


@euicc.command(name="find")
async def euicc_find(
    by: Literal["eid", "iccid", "isdp_aid", "msisdn", "imei", "tag", "owner"],
    value: str,
    *,
    limit: int = 100,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Find cards.

    Parameters
    ----------
    by
        eid, iccid, isdp_aid, msisdn, imei, tag or owner.
    limit
        Cards to show at most, in the order of their EIDs.
    """
    found: list[Any] = []
    async with operator(data, owner) as calls:
        while len(found) < limit:
            after = found[-1].eid if found else ""
            request = admin.FindEUICCs(
                owner=owner, by=by, value=value, after=after, limit=min(limit - len(found), HISTORY_PAGE)
            )
            page = await calls.sm_sr(request)
            if not isinstance(page, admin.EUICCPage) or not page.euiccs:
                break
            found += page.euiccs
    if json:
        output.emit({"euiccs": [public(eis) for eis in found]})
    else:
        rows = [[eis.eid, eis.platform_type, ", ".join(p.iccid for p in eis.profiles) or "-"] for eis in found]
        output.table("eUICCs", ["EID", "type", "own profiles"], rows)
    return output.DONE if found else output.FAILED


@euicc.command(name="info")
async def euicc_info(eid: str, *, data: Path = DATA, owner: str = STAFF, json: bool = False) -> int:
    """Everything that is known of a card: contacts, counts, tags, what holds for it."""
    async with operator(data, owner) as calls:
        found = await calls.sm_sr(admin.DescribeEUICC(eid=eid, owner=owner))
    if not isinstance(found, admin.EUICCDescription):
        return output.FAILED
    shown = public(found.eis) | {
        "imei": found.imei,
        "meid": found.meid,
        "tags": list(found.tags),
        "busy": found.busy,
        "scp80_counter": found.counter,
        "card_free_nvm": found.card_free_nvm,
        "card_free_ram": found.card_free_ram,
        "contact": found.contact,
        "differs": found.differs,
        "effective": found.effective,
    }
    if json:
        output.emit(shown)
    else:
        for name, value in shown.items():
            output.line(f"{name}: {_plain(value)}")
    return output.DONE


@euicc.command(name="tag")
async def euicc_tag(eid: str, *tags: str, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Replace the tags of a card; without tags all of them are taken away."""
    async with operator(data, owner) as calls:
        await calls.sm_sr(admin.SetTags(eid=eid, tags=tuple(tags)))
    _said(f"{len(set(tags))} tags on EID {eid}", json=json)
    return output.DONE


@types.command(name="list")
async def type_list(*, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """List the types and what each of them says."""
    async with operator(data, owner) as calls:
        page = await calls.sm_sr(admin.ListTypes())
    found = page.types if isinstance(page, admin.TypePage) else ()
    if json:
        output.emit({"types": found})
    else:
        rows = [
            [t.eum_id, t.platform_type or "every", t.platform_version or "every", str(t.cards), _plain(t.says)]
            for t in found
        ]
        output.table("eUICC types", ["EUM", "platform", "version", "cards", "says"], rows)
    return output.DONE


@types.command(name="set")
async def type_set(
    eum: str,
    *says: str,
    platform: str = "",
    version: str = "",
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Replace what a type says; without anything to say the type is forgotten.

    Parameters
    ----------
    eum
        Eum-id (OID) of the card maker.
    says
        As name=value: spi=1601, transports=["sms","https"], delete_enabled=refuse, approval=not-approved ...
    platform
        PlatformType; empty for every one of the maker.
    version
        PlatformVersion; empty for every one.
    """
    request = admin.SetType(eum_id=eum, platform_type=platform, platform_version=version, says=said(says))
    async with operator(data, owner) as calls:
        await calls.sm_sr(request)
    _said(f"type {eum} {platform} {version}".rstrip(), json=json)
    return output.DONE


@euicc.command(name="differ")
async def euicc_differ(eid: str, *says: str, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Replace what one card says otherwise than its type (name=value); nothing: it is as its type again."""
    async with operator(data, owner) as calls:
        await calls.sm_sr(admin.SetDifference(eid=eid, says=said(says)))
    _said(f"EID {eid} differs in {len(says)} points", json=json)
    return output.DONE


def said(words: tuple[str, ...]) -> dict[str, Any]:
    """`name=value` words; a value is JSON when it reads as such, else text. Raises InputError."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(word, "must be name=value")
        try:
            # SPIs and versions look like numbers and are none.
            found[name] = value if name == "spi" else msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[name] = value
    return found


# -- history and policy ------------------------------------------------------------------------------------------


@euicc.command(name="history")
async def euicc_history(
    eid: str, *, limit: int = 10_000, data: Path = DATA, owner: str = STAFF, json: bool = False
) -> int:
    """Audit trail of a card: operations with who asked and what came of it, and what the card told."""
    records: list[AuditRecord] = []
    after = 0
    async with operator(data, owner) as calls:
        while len(records) < limit:
            page = await calls.sm_sr(admin.ShowHistory(eid=eid, owner=owner, after=after, limit=HISTORY_PAGE))
            if not isinstance(page, admin.HistoryPage):
                break
            records += page.records
            after = page.after
            if not after:
                break
    records = records[:limit]
    if json:
        output.emit({"eid": eid, "records": [_record(record) for record in records]})
    else:
        shown = [_record(record) for record in records]
        columns = ["at", "operation", "requester", "iccid", "result"]
        output.table("history", columns, [[str(row[name]) for name in columns] for row in shown])
    return output.DONE


def _record(record: AuditRecord) -> dict[str, Any]:
    status = record.status
    return {
        "at": datetime.datetime.fromtimestamp(record.at, datetime.UTC).isoformat(timespec="seconds"),
        "operation": f"{record.operation:04X} {OPERATIONS.get(record.operation, '')}".rstrip(),
        "requester": record.requester,
        "smsr_id": record.smsr_id,
        "isdp_aid": record.isdp_aid.hex().upper(),
        "iccid": record.iccid,
        "imei": record.imei.hex().upper(),
        "result": "" if status is None else f"{status.status.value} {status.code}".rstrip(),
    }


@euicc.command(name="dry-run")
async def euicc_dry_run(
    function: Literal[
        "CreateISDP",
        "EnableProfile",
        "DisableProfile",
        "DeleteProfile",
        "MasterDelete",
        "UpdatePolicyRules",
        "UpdateSubscriptionAddress",
        "SetFallbackAttribute",
        "UpdateConnectivityParameters",
        "AuditEIS",
    ],
    eid: str,
    iccid: str = "",
    *,
    required_memory: int = 0,
    pol2: tuple[str, ...] = (),
    msisdn: str = "",
    imsi: str = "",
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Say what a function would do and why; nothing is done. Exit status 1 when it would be refused.

    Parameters
    ----------
    function
        EnableProfile, DisableProfile, DeleteProfile, MasterDelete, CreateISDP, UpdatePolicyRules and others.
    pol2
        Rules as DISABLE:Not-Allowed.
    """
    request = admin.DryRun(
        function=function,
        eid=eid,
        requester=owner,
        iccid=iccid,
        required_memory=required_memory,
        pol2=rules(pol2),
        msisdn=msisdn,
        imsi=imsi,
    )
    async with operator(data, owner) as calls:
        found = await calls.sm_sr(request)
    if not isinstance(found, admin.DryRunResult):
        return output.FAILED
    if json:
        output.emit(found)
    else:
        for sentence in found.sentences:
            output.line(sentence)
    return output.DONE if found.status.ok else output.FAILED


def rules(words: tuple[str, ...]) -> tuple[PolicyRule, ...]:
    """POL2 rules from `ACTION:Qualification`; raises InputError."""
    found = []
    for word in words:
        action, colon, qualification = word.partition(":")
        if not colon:
            raise InputError(word, "must be ACTION:Qualification, for example DISABLE:Not-Allowed")
        found.append(PolicyRule(action, qualification))
    return tuple(found)


@euicc.command(name="explain")
async def euicc_explain(eid: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Say for each profile of the owner what enabling, disabling and deleting it would do now, and why."""
    found: list[dict[str, Any]] = []
    async with operator(data, owner) as calls:
        page = await calls.sm_sr(admin.ShowEUICC(owner=owner, eid=eid))
        profiles: tuple[ProfileInfo, ...] = page.euiccs[0].profiles if isinstance(page, admin.EUICCPage) else ()
        for profile in profiles:
            told: dict[str, Any] = {"iccid": profile.iccid, "state": profile.state.value}
            for function in ("EnableProfile", "DisableProfile", "DeleteProfile"):
                request = admin.DryRun(function=function, eid=eid, requester=owner, iccid=profile.iccid)
                result = await calls.sm_sr(request)
                told[function] = list(result.sentences) if isinstance(result, admin.DryRunResult) else []
            found.append(told)
    if json:
        output.emit({"eid": eid, "profiles": found})
    else:
        for told in found:
            output.line(f"profile {told['iccid']}, {told['state']}")
            for function in ("EnableProfile", "DisableProfile", "DeleteProfile"):
                for sentence in told[function]:
                    output.line(f"  {sentence}")
    return output.DONE


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _said(sentence: str, *, json: bool) -> None:
    if json:
        output.emit({"done": sentence})
    else:
        output.line(sentence)
