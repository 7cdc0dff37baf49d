"""Commands on OpenPGP keys, and the export of subscriptions in an OpenPGP envelope."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, key, read_file, write_file
from ferryman.cli.operator import Operator
from ferryman.cli.session import operator
from ferryman.contracts import envelopes, imports
from ferryman.contracts.imports import SubscriptionPublic
from ferryman.contracts.message import Body
from ferryman.errors import InputError

PAGE = 1000  # subscriptions of one question


@key.command(name="make-openpgp")
async def key_make_openpgp(
    *,
    user_id: str,
    renew: bool = False,
    output_file: Path | None = None,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Make our OpenPGP key if there is none, and print its public half for those who send us files.

    Parameters
    ----------
    user_id
        Whose key it is, as "Name <address>".
    renew
        Make a new one; files that were encrypted to the former ones can still be imported.
    """
    request = envelopes.MakeOpenPGPKey(user_id=user_id, renew=renew)
    async with operator(data, owner) as calls:
        return _show(await calls.crypto(request), output_file, json=json)


@key.command(name="import-openpgp")
async def key_import_openpgp(
    file: Path, *, name: str = "", data: Path = DATA, owner: str = OWNER, json: bool = False
) -> int:
    """Import the public key of a correspondent, or our own secret key from elsewhere (without a passphrase).

    Parameters
    ----------
    file
        A transferable key, binary or armoured, as `gpg --export` writes it.
    name
        The name by which imports and exports call the correspondent; without it the key is our own secret one.
    """
    request = envelopes.ImportOpenPGPKey(data=read_file(file), name=name)
    async with operator(data, owner) as calls:
        shown = await calls.crypto(request)
    if json:
        return _show(shown, None, json=True)
    if isinstance(shown, envelopes.OpenPGPKey):
        output.line(f"OpenPGP key {shown.fingerprint} imported: {', '.join(shown.user_ids)}")
    return output.DONE


@key.command(name="show-openpgp")
async def key_show_openpgp(
    *,
    name: str = "",
    output_file: Path | None = None,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Print our public OpenPGP key, or a correspondent's."""
    async with operator(data, owner) as calls:
        return _show(await calls.crypto(envelopes.ShowOpenPGPKey(name=name)), output_file, json=json)


def _show(shown: Body, output_file: Path | None, *, json: bool) -> int:
    if not isinstance(shown, envelopes.OpenPGPKey):
        return output.FAILED
    if output_file is not None:
        write_file(output_file, shown.public)
    if json:
        output.emit(shown)
    elif output_file is None:
        output.line(shown.public.rstrip())
    else:
        output.line(f"{output_file}: {shown.fingerprint}")
    return output.DONE


async def export_sealed(calls: Operator, import_id: str, recipient: str) -> tuple[int, bytes]:
    """Ki and OPc of an import in one envelope for `recipient`: how many rows, the envelope.

    It is put together in the CryptoServer; nothing of it is ever in clear here.
    """
    owner = calls.owner
    name = hashlib.sha256(f"ferryman export 1\0{owner}\0{import_id}\0{recipient}".encode()).hexdigest()
    await calls.crypto(envelopes.ShowOpenPGPKey(name=recipient))  # before anything is put together for it
    drop = envelopes.DropEnvelope(owner=owner, envelope_id=name)
    await calls.crypto(drop)  # what an interrupted export left
    try:
        rows, number, after = 0, 0, ""
        while page := await page_of(calls, import_id, after):
            await calls.crypto(envelopes.StageExport(owner=owner, envelope_id=name, number=number, rows=page[0]))
            rows, number, after = rows + len(page[0]), number + 1, page[1]
        if not rows:
            raise InputError(import_id, "has no subscription")
        sealed = await calls.crypto(envelopes.SealEnvelope(owner=owner, envelope_id=name, recipient=recipient))
        parts = [
            await calls.crypto(envelopes.ReadEnvelope(owner=owner, envelope_id=name, number=each))
            for each in range(sealed.parts if isinstance(sealed, envelopes.EnvelopeState) else 0)
        ]
    finally:
        await calls.crypto(drop)
    return rows, b"".join(part.data for part in parts if isinstance(part, envelopes.EnvelopeData))


async def page_of(
    calls: Operator, import_id: str, after: str
) -> tuple[tuple[SubscriptionPublic, ...], str] | None:
    """The subscriptions of an import behind `after`, and where the next page begins; None at the end."""
    question = imports.ListSubscriptions(owner=calls.owner, import_id=import_id, after=after, limit=PAGE)
    page = await calls.sm_dp(question)
    if not isinstance(page, imports.SubscriptionPage) or not page.rows:
        return None
    return page.rows, page.after
