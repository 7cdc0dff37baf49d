"""Commands on card makers' certificates and the revocation lists of their CIs."""

from __future__ import annotations

import datetime
from pathlib import Path

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, certificate, read_file
from ferryman.cli.session import operator
from ferryman.contracts import eum_trust
from ferryman.contracts.message import Body

KINDS = {"ci": "CI", "eum": "EUM", "revocation-list": "revocation list"}


async def certificate_eum(file: Path, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Know a card maker's certificate (X.509, PEM or DER), for deliveries whose signatures only name it."""
    return await _tell(
        eum_trust.ImportEUMCertificate(data=read_file(file)), "EUM certificate known", data, owner, json=json
    )


async def certificate_crl(file: Path, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Hold a CI to its revocation list (X.509, PEM or DER); a newer list takes its place.

    Once a CI has a list, no card is accepted under it when that list is past its next update.
    """
    return await _tell(
        eum_trust.ImportRevocationList(data=read_file(file)), "revocation list imported", data, owner, json=json
    )


async def certificate_drop(fingerprint: str, *, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """Forget a card maker's certificate or a revocation list, by its fingerprint in `certificate list`."""
    return await _tell(eum_trust.DropTrust(fingerprint=fingerprint), "dropped", data, owner, json=json)


async def certificate_list(*, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """CIs, card makers' certificates and revocation lists, with their dates."""
    async with operator(data, owner) as calls:
        found = await calls.crypto(eum_trust.ListTrust())
    items = found.items if isinstance(found, eum_trust.TrustList) else ()
    if json:
        rows = [{name: getattr(one, name) for name in one.__struct_fields__} for one in items]
        output.emit({"certificates": rows})
        return output.DONE
    for one in items:
        what = f"{one.revoked} revoked" if one.kind == "revocation-list" else " ".join(one.names)
        dates = f"{_day(one.begin)} to {_day(one.end)}"
        output.line(f"{KINDS[one.kind]}  {one.fingerprint}  {dates}  {one.subject}  {what}".rstrip())
    return output.DONE


async def _tell(body: Body, done: str, data: Path, owner: str, *, json: bool) -> int:
    async with operator(data, owner) as calls:
        await calls.crypto(body)
    if json:
        output.emit({"done": done})
    else:
        output.line(done)
    return output.DONE


def _day(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).date().isoformat()


COMMANDS = (
    (certificate, "eum", certificate_eum),
    (certificate, "crl", certificate_crl),
    (certificate, "drop", certificate_drop),
    (certificate, "list", certificate_list),
)
