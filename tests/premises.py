"""An installation without transports, a card maker's deliveries, and the proof that a refusal changed nothing."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from ferryman.cli.operator import Operator
from ferryman.cli.wiring import Configuration, Installation
from ferryman.codec.eis_xml import RPS
from ferryman.contracts import admin, crypto
from ferryman.contracts.message import Body
from ferryman.contracts.roles import CRYPTO_SERVER, SM_DP, SM_SR
from ferryman.errors import Refused
from ferryman.platform.clock import LoopClock
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.records import SRSettings
from ferryman_sim.card_maker import certify, command, gp_cert
from rig import OWNER, SMSR_ADDRESS, START, SeededEntropy, subscriptions

NAME = "demo"
AUDIT = "audit"  # a refusal may be written down


def make_batch(folder: Path, *, count: int = 1, seed: str = "premises", options: tuple[str, ...] = ()) -> Path:
    """Run the card maker in this process."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    words = ["card-maker", "make", "--out", str(folder), "--count", str(count), "--seed", seed]
    with contextlib.redirect_stdout(io.StringIO()):
        arguments = parser.parse_args([*words, "--smsr-address", SMSR_ADDRESS, *options])
        assert arguments.run(arguments) == 0
    return folder


def defective(folder: Path, kinds: list[str]) -> dict[str, bytes]:
    """A delivery of one card for each defect, and one good card under the name "good"; all of one batch."""
    options = tuple(
        word for number, kind in enumerate(kinds, start=2) for word in ("--defect", f"{kind}:{number}")
    )
    make_batch(folder, count=len(kinds) + 1, options=options)
    return dict(zip(["good", *kinds], split(folder), strict=True))


def split(folder: Path) -> list[bytes]:
    """The delivery of a batch, card by card."""
    root = etree.fromstring((folder / "eis.xml").read_bytes())
    return [etree.tostring(request) for request in root.findall(f"{{{RPS}}}ES1-RegisterEISRequest")]


def join(requests: list[bytes]) -> bytes:
    """One delivery of several cards."""
    # As text: a parser would give the signed elements another prefix.
    return b"<Deliveries>" + b"".join(requests) + b"</Deliveries>"


def dump(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of every role, but the audit trail."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for path in sorted(data.glob("*.db")):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            names = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            ).fetchall()
            for (name,) in names:
                if name not in (AUDIT, "sqlite_sequence"):
                    rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
                    found[f"{path.stem}.{name}"] = sorted(rows, key=repr)
    return found


def changes(before: dict[str, list[tuple[Any, ...]]], after: dict[str, list[tuple[Any, ...]]]) -> list[str]:
    """Names of the tables that differ."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


@dataclass
class Premises:
    """One installation without transports on a data directory."""

    data: Path
    sm_sr: SRSettings = field(default_factory=SRSettings)
    sm_dp: DPSettings = field(default_factory=DPSettings)

    async def __aenter__(self) -> Premises:
        inside = frozenset({SM_DP, SM_SR, CRYPTO_SERVER})  # the transports are elsewhere
        configuration = Configuration(
            data=self.data, sm_sr=self.sm_sr, sm_dp=self.sm_dp, threaded=False, roles=inside
        )
        clock = LoopClock(start=START + asyncio.get_running_loop().time())
        self.installation = Installation(configuration, clock=clock, entropy=SeededEntropy("premises"))
        await self.installation.start()
        self.operator = Operator(self.installation.bus, OWNER)
        return self

    async def __aexit__(self, *_problem: object) -> None:
        await self.installation.stop()

    async def trust(self, folder: Path) -> None:
        """CI and transport key of a card maker."""
        await self.operator.crypto(crypto.ImportTrustAnchor(pem=(folder / "ci.pem").read_bytes()))
        key = bytes.fromhex((folder / "transport-key.hex").read_text().strip())
        eum = json.loads((folder / "batch.json").read_text())["eum"]["oid"]
        await self.operator.crypto(crypto.ImportTransportKey(eum_id=eum, key=key))

    async def certificate(self, folder: Path) -> None:
        """CERT.DP.ECDSA of the batch's CI."""
        made = await self.operator.crypto(crypto.MakeSigningKey(role="dp"))
        assert isinstance(made, crypto.SigningKey)
        pem = folder / "dp.pem"
        pem.write_bytes(made.public_key_pem)
        request = certify.Request(gp_cert.Role.DP, bytes.fromhex("534D445001"), *certify.read_point(pem))
        ci = json.loads((folder / "batch.json").read_text())["ci"]["oid"]
        issued = certify.issue(request, certify.read_key(folder / "ci-key.pem"), ci)
        await self.operator.crypto(crypto.ImportCertificate(role="dp", certificate=issued))

    async def register(self, xml: bytes) -> admin.Registered:
        """ES1.RegisterEIS."""
        done = await self.operator.sm_sr(admin.RegisterEIS(xml=xml))
        assert isinstance(done, admin.Registered)
        return done

    async def template(self, der: bytes, name: str = NAME, algorithm: str = "milenage") -> Body:
        """Import a template."""
        return await self.operator.sm_dp(
            admin.ImportTemplate(owner=OWNER, name=name, der=der, algorithm=algorithm)
        )

    async def subscriptions(self, text: str, *, name: str = NAME, owner: str = OWNER) -> Body:
        """Import a subscription file as the command does."""
        operator = Operator(self.installation.bus, owner)
        return await operator.import_subscriptions(text.encode(), name)

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in the databases."""
        return dump(self.data)

    @contextlib.asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """What happens inside leaves every database as it was."""
        before = self.dump()
        yield
        await asyncio.sleep(1.0)
        assert changes(before, self.dump()) == []

    async def refused(self, work: Awaitable[object], code: str, words: str = "") -> Refused:
        """`work` is refused with this code, a sentence that has these words, and changes nothing."""
        async with self.unchanged():
            with pytest.raises(Refused) as caught:
                await work
        assert f"{caught.value.subject}/{caught.value.reason}" == code, caught.value.message
        assert words in caught.value.message, caught.value.message
        return caught.value


__all__ = [
    "NAME",
    "OWNER",
    "Premises",
    "changes",
    "defective",
    "dump",
    "join",
    "make_batch",
    "split",
    "subscriptions",
]
