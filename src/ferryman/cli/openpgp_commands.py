"""Commands on OpenPGP keys."""

from __future__ import annotations

from pathlib import Path

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, key, read_file, write_file
from ferryman.cli.session import operator
from ferryman.contracts import envelopes
from ferryman.contracts.message import Body


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


COMMANDS = (
    (key, "make-openpgp", key_make_openpgp),
    (key, "import-openpgp", key_import_openpgp),
    (key, "show-openpgp", key_show_openpgp),
)
