"""Peers over REST: what is entered there is whom the gateways then call, and let in, over TLS."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from ferryman.cli.settings import load
from ferryman.cli.wiring import Installation
from ferryman.contracts.rest import KeyRole
from parties import Party
from rest_world import RestWorld

SECTIONS = (
    '[rest]\nport = 0\n[soap]\nhost = "127.0.0.1"\nport = 0\ncertificate_file = "own.pem"\nkey_file = "own.key"\n'
    '[sm_sr]\nsmsr_id = "1.3.6.1.4.1.99999.2{number}"\n[sm_dp]\nsmdp_id = "1.3.6.1.4.1.99999.1{number}"\n'
)


def prepared(folder: Path, party: Party, number: int) -> Path:
    """The data directory of an installation with a gateway."""
    folder.mkdir()
    (folder / "own.pem").write_bytes(party.certificate_file.read_bytes())
    (folder / "own.key").write_bytes(party.key_file.read_bytes())
    (folder / "ferryman.toml").write_text(SECTIONS.format(number=number))
    return folder


@contextlib.asynccontextmanager
async def place(folder: Path) -> AsyncIterator[tuple[RestWorld, str, str]]:
    """An installation, the URL of its gateway, and a key of its own staff."""
    installation = Installation(load(folder).configuration())
    await installation.start()
    try:
        assert installation.soap is not None
        world = RestWorld(installation)
        yield world, installation.soap.ours.url, await world.token(KeyRole.ADMIN, "")
    finally:
        await installation.stop()


async def test_a_peer_made_over_rest_is_whom_the_gateway_calls(tmp_path: Path, parties: dict[str, Party]) -> None:
    async with (
        place(prepared(tmp_path / "a", parties["ours"], 0)) as (a, _, staff_a),
        place(prepared(tmp_path / "b", parties["sr2"], 1)) as (b, url, staff_b),
    ):
        there: dict[str, Any] = {
            "name": "b",
            "kind": "sm-sr",
            "oid": "1.3.6.1.4.1.99999.21",
            "certificates": [parties["sr2"].pem],
            "endpoints": {"ES3": f"{url}/es3"},
        }

        async def tested() -> Any:
            answer = await a.ask("POST", "/peers/b/test", staff_a)
            assert answer.status == 200, answer.body
            return answer.json["steps"]

        assert (await a.ask("POST", "/peers", staff_a, there)).status == 201
        assert not (await tested())[-1]["ok"]  # B lets nobody in whom it does not know
        here = {"kind": "sm-dp", "oid": "1.3.6.1.4.1.99999.10", "certificates": [parties["ours"].pem]}
        assert (await b.ask("POST", "/peers", staff_b, {**here, "name": "a"})).status == 201
        assert all(step["ok"] for step in await tested())
        seen = (await b.ask("GET", "/peers/a", staff_b)).headers["etag"]
        changed = {**here, "name": "a", "rights": ["ES3.GetEIS"]}
        assert (await b.ask("POST", "/peers", staff_b, changed)).status == 201
        stale = await b.ask("DELETE", "/peers/a", staff_b, headers={"if-match": seen})
        assert stale.status == 412
        assert (await b.ask("DELETE", "/peers/a", staff_b)).status == 200
        assert not (await tested())[-1]["ok"]  # at once
        wrong = {**there, "certificates": [parties["stranger"].pem]}
        assert (await a.ask("POST", "/peers", staff_a, wrong)).status == 201
        (failed,) = [step for step in await tested() if not step["ok"]]
        assert "certificate" in failed["detail"]
        secret = parties["ours"].key_file.read_text()
        refused = await a.ask("POST", "/peers", staff_a, {**there, "certificates": [secret]})
        assert refused.status == 400
        assert secret[60:90] not in refused.body.decode()
