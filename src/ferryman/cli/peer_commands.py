"""`ferryman peer`: the other parties that this installation speaks with."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import msgspec
from cyclopts import App

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, read_file
from ferryman.cli.session import operator
from ferryman.contracts.peers import (
    ListPeers,
    Peer,
    PeerKind,
    Peers,
    PeerTested,
    PutPeer,
    Quirks,
    RemovePeer,
    TestPeer,
    rights_of,
)
from ferryman.errors import InputError

peer = App(name="peer", help="Other parties: operators, card makers, SM-DPs, SM-SRs.")


@peer.command(name="add")
async def peer_add(
    name: str,
    *,
    kind: str,
    oid: str,
    certificate: list[Path] | None = None,
    endpoint: list[str] | None = None,
    right: list[str] | None = None,
    username: str = "",
    password_file: str = "",
    namespace: int = 3,
    unknown_only: bool = False,
    require_token: bool = False,
    x509_token: bool = False,
    sign: bool = False,
    v4: bool = False,
    full_results: bool = False,
    data: Path = DATA,
    json: bool = False,
) -> int:
    """Add a peer, or replace the one of this name.

    Parameters
    ----------
    name
        What it is called here.
    kind
        operator, eum, sm-dp, sm-sr, device-maker or m2m-sp.
    oid
        Its identifier, which its messages carry as EntityId.
    certificate
        PEM file with the certificate that it shows as TLS client and server; several times for several.
    endpoint
        INTERFACE=URL where it listens, for example ES4=https://mno.example/es4; several times.
    right
        Only this function of those its kind has, for example ES4.GetEIS; several times.
    username
        User name of its WS-Security UsernameToken.
    password_file
        File with that user's password, in the data directory.
    namespace
        3, or 1 for a peer that speaks the older namespace.
    unknown_only
        Profiles of others are always unknown to it, also on eUICCs where it has a profile.
    require_token
        Its TLS certificate alone does not suffice.
    x509_token
        It may prove itself by an X.509 token of WS-Security with one of its certificates.
    sign
        Sign our messages to it with an X.509 token of WS-Security.
    v4
        It speaks our proposal for the functions of SGP.02 v4 (PLMA, ONC, fall-back attribute), too.
    full_results
        Give it every result element of the schema, also for calls that failed.
    """
    record = Peer(
        name=name,
        kind=_kind(kind),
        oid=oid,
        certificates=tuple(_pem(path) for path in certificate or ()),
        endpoints=dict(_endpoint(text) for text in endpoint or ()),
        rights=tuple(right or ()),
        username=username,
        password_file=password_file,
        quirks=Quirks(
            namespace=namespace,
            unknown_only=unknown_only,
            require_token=require_token,
            x509_token=x509_token,
            sign=sign,
            v4=v4,
            full_results=full_results,
        ),
    )
    async with operator(data, OWNER) as calls:
        done = await calls.gateway(PutPeer(peer=record))
    if json:
        output.emit(done)
    else:
        output.line(f"peer {name} is known now: {record.kind} {oid}")
    return output.DONE


@peer.command(name="remove")
async def peer_remove(name: str, *, data: Path = DATA, json: bool = False) -> int:
    """Forget a peer: nobody can speak as it any more."""
    async with operator(data, OWNER) as calls:
        done = await calls.gateway(RemovePeer(name=name))
    if json:
        output.emit(done)
    else:
        output.line(f"peer {name} is forgotten")
    return output.DONE


@peer.command(name="list")
async def peer_list(*, data: Path = DATA, json: bool = False) -> int:
    """List the peers."""
    found = await _all(data)
    if json:
        output.emit({"peers": [_public(one) for one in found]})
    else:
        rows = [[one.name, one.kind.value, one.oid, ", ".join(sorted(one.endpoints)) or "-"] for one in found]
        output.table("peers", ["name", "kind", "OID", "endpoints"], rows)
    return output.DONE


@peer.command(name="show")
async def peer_show(name: str, *, data: Path = DATA, json: bool = False) -> int:
    """Show one peer: addresses, certificates, and every function that it may call."""
    one = next((each for each in await _all(data) if each.name == name), None)
    if one is None:
        raise InputError("NAME", f"there is no peer {name!r}")
    shown = _public(one)
    if json:
        output.emit(shown)
        return output.DONE
    for key, value in shown.items():
        if isinstance(value, list):
            for number, item in enumerate(value):
                output.line(f"{key if number == 0 else '':<14}{item}")
        elif isinstance(value, dict):
            for number, (first, second) in enumerate(value.items()):
                output.line(f"{key if number == 0 else '':<14}{first} {second}")
        elif value:
            output.line(f"{key:<14}{value}")
    return output.DONE


@peer.command(name="test")
async def peer_test(name: str, *, data: Path = DATA, json: bool = False) -> int:
    """Try TLS, addressing and a call without effect, and tell what failed."""
    async with operator(data, OWNER) as calls:
        done = await calls.gateway(TestPeer(name=name))
    steps = done.steps if isinstance(done, PeerTested) else ()
    if json:
        output.emit(done)
    else:
        for step in steps:
            output.line(f"{'ok    ' if step.ok else 'FAILED'}  {step.name}: {step.detail}")
    return output.DONE if steps and all(step.ok for step in steps) else output.FAILED


async def _all(data: Path) -> tuple[Peer, ...]:
    async with operator(data, OWNER) as calls:
        found = await calls.gateway(ListPeers())
    return found.peers if isinstance(found, Peers) else ()


def _public(one: Peer) -> dict[str, object]:
    """A record as a person reads it: of certificates their fingerprints."""
    marks = [hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest() for text in one.certificates]
    return {
        "name": one.name,
        "kind": one.kind.value,
        "oid": one.oid,
        "endpoints": one.endpoints,
        "certificates": marks,
        "rights": sorted(right for right in rights_of(one) if one.may(right)),
        "username": one.username,
        "quirks": msgspec.to_builtins(one.quirks),
    }


def _kind(text: str) -> PeerKind:
    try:
        return PeerKind(text)
    except ValueError:
        raise InputError("--kind", f"must be one of {', '.join(kind.value for kind in PeerKind)}") from None


def _pem(path: Path) -> str:
    text = read_file(path).decode("ascii", "replace")
    if "BEGIN CERTIFICATE" not in text or "PRIVATE KEY" in text:
        raise InputError(str(path), "must hold a certificate in PEM, and no private key")
    return text


def _endpoint(text: str) -> tuple[str, str]:
    interface, equals, url = text.partition("=")
    if not equals:
        raise InputError("--endpoint", f"{text!r} is not INTERFACE=URL")
    return interface.upper(), url
