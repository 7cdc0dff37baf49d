"""A whole world in one process: simulated HLR, SMSC and cards, and an installation of ours on a data directory.

Real loopback sockets, one event loop (virtual or real), seeded randomness. The world survives when the
installation is dropped and opened again on the same data.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import random
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import personality
from ferryman.cli.operator import Operator
from ferryman.cli.wiring import Configuration, Installation
from ferryman.contracts import admin, crypto
from ferryman.platform.clock import LoopClock
from ferryman.platform.store import CommitHook
from ferryman.profile.demo_template import demo_template
from ferryman.rest_api.settings import RESTSettings
from ferryman.sm_dp.records import DPSettings
from ferryman.sm_sr.records import SRSettings
from ferryman.soap_gateway.settings import SOAPSettings
from ferryman.transport_https.session import HTTPSSettings
from ferryman.transport_sms.settings import SMPPSettings
from ferryman_sim.card_maker.batch import write as write_batch
from ferryman_sim.hlr.service import HLR
from ferryman_sim.hlr.subscriptions import read as read_subscriptions
from ferryman_sim.json_lines import connect
from ferryman_sim.mno.platform import DEFAULT_TAR, MNO, read_subscribers
from ferryman_sim.smsc.accounts import Account
from ferryman_sim.smsc.service import SMSC
from ferryman_sim.terminal.settings import Settings as DeviceSettings
from ferryman_sim.terminal.terminal import Terminal

OWNER = "1.3.6.1.4.1.99999.30"
START = 1_795_000_000.0  # 2026-11; certificates of the card maker are valid then
SMSR_ADDRESS = "+33600000000"
MNO_ADDRESS = "+33611111111"
PASSWORD = "secret12"
LOWEST_PORT, PORTS = 10_240, 22_528  # up to 32,767: Linux takes ports of outgoing connections from 32,768 on


class SeededEntropy:
    """Reproducible bytes for tests."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def __call__(self, count: int) -> bytes:
        return self._random.randbytes(count)


def make_cards(folder: Path, *, count: int, seed: str, options: tuple[str, ...] = ()) -> None:
    """Run the card maker as the process it is."""
    command = [
        sys.executable, "-m", "ferryman_sim", "card-maker", "make", "--out", str(folder), "--count", str(count),
        "--seed", seed, "--smsr-address", SMSR_ADDRESS, *options,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)


def certify(folder: Path, public_key: Path) -> bytes:
    """Have the CI of a batch certify our key."""
    target = public_key.with_suffix(".cert")
    command = [
        sys.executable, "-m", "ferryman_sim", "card-maker", "certify", "--out-dir", str(folder),
        "--public-key", str(public_key), "--role", "dp", "--subject-id", "534D445001", "--out", str(target),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return bytes.fromhex(target.read_text().strip())


def luhn(body: str) -> str:
    """Check digit of an ICCID."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def subscriptions(count: int, seed: str) -> str:
    """A subscription file of the operator."""
    rng = random.Random(f"subscriptions {seed}")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["ICCID", "IMSI", "MSISDN", "KI", "OPC", "PIN1", "PUK1", "PIN2", "PUK2", "ADM1", "KIC", "KID", "KIK"]
    )
    for number in range(1, count + 1):
        body = f"8988211{number:011d}"
        keys = [rng.randbytes(16).hex().upper() for _ in range(5)]
        writer.writerow(
            [body + luhn(body), f"00101{number:010d}", f"88211{number:08d}", keys[0], keys[1],
             "1234", "12345678", "5678", "87654321", "11223344", *keys[2:]]
        )  # fmt: skip
    return out.getvalue()


@dataclass
class World:
    """HLR, SMSC and cards."""

    folder: Path
    count: int = 1
    seed: str = "world"
    device: DeviceSettings = field(default_factory=lambda: DeviceSettings(boot=0.1, attach_retry=5.0))
    options: tuple[str, ...] = ()
    https_port: int = 0
    subscribers: int = 0  # subscriptions of the operator; one for each card when 0

    def __post_init__(self) -> None:
        self.options = personality.chosen(self.options)

    def prepare(self) -> None:
        """Make cards and subscriptions (files)."""
        make_cards(self.folder, count=self.count, seed=self.seed, options=self.options)
        self.csv = subscriptions(self.subscribers or self.count, self.seed)
        (self.folder / "operator.csv").write_text(self.csv)
        self.batch: dict[str, Any] = json.loads((self.folder / "batch.json").read_text())

    def load(self) -> None:
        """Take up files that an earlier `prepare` (or a copy of its folder) left."""
        self.csv = (self.folder / "operator.csv").read_text()
        self.batch = json.loads((self.folder / "batch.json").read_text())

    async def start(self) -> None:
        """Power on."""
        lists = [(self.folder / "subscriptions.csv").read_text(), self.csv]
        known = [s for text in lists for s in read_subscriptions(text)]
        self.hlr = HLR(known, random.Random(f"hlr {self.seed}"))
        # The SM-SR's account takes what is for nobody else; the operator's OTA platform has a number of its own.
        accounts = [Account("ferryman", PASSWORD), Account("mno", PASSWORD, (MNO_ADDRESS,))]
        self.smsc = SMSC(accounts, self.hlr, random.Random(f"smsc {self.seed}"))
        self.ports = await self.smsc.start()
        images = [json.loads(p.read_text()) for p in sorted((self.folder / "cards").glob("*.json"))]
        self.terminal = Terminal(
            images,
            lambda: connect("127.0.0.1", self.ports["radio_port"]),
            random.Random(f"terminal {self.seed}"),
            lambda: START,
            settings=self.device,
        )
        await self.terminal.start()
        self.eids = sorted(self.terminal.devices)

    async def operator_ota(self, **options: Any) -> MNO:
        """The operator's own OTA platform, bound to the SMSC; stop it after use."""
        lists = [(self.folder / "subscriptions.csv").read_text(), self.csv]
        # The MNO-SD of the demo template answers to the TAR of an issuer security domain.
        tars = (DEFAULT_TAR, bytes(3))
        known = [each for text, tar in zip(lists, tars, strict=True) for each in read_subscribers(text, tar=tar)]
        options = personality.of_the_operator(self.options) | options
        made = MNO(known, address=MNO_ADDRESS, system_id="mno", password=PASSWORD, **options)
        await made.start("127.0.0.1", self.ports["smpp_port"])
        return made

    async def stop(self) -> None:
        """Power off."""
        await self.terminal.stop()
        await self.smsc.stop()

    def status(self, eid: str) -> dict[str, Any]:
        """What the card itself says."""
        return self.terminal.devices[eid].status()


@dataclass
class Platform:
    """Our installation, which can be dropped and opened again."""

    world: World
    data: Path
    transport: str = "https"
    sm_sr: SRSettings = field(default_factory=SRSettings)
    sm_dp: DPSettings = field(default_factory=DPSettings)
    threaded: bool = False
    on_commit: CommitHook | None = None
    before_commit: CommitHook | None = None
    entropy: Callable[[int], bytes] = field(default_factory=lambda: SeededEntropy("platform"))
    https_port: int = 0
    smsc: bool = True  # False: no SMSC is configured at all
    soap: SOAPSettings | None = None
    rest: RESTSettings | None = None

    def configuration(self) -> Configuration:
        """Settings as a deployment would have them."""
        sr = SRSettings(
            **{
                **{f: getattr(self.sm_sr, f) for f in self.sm_sr.__struct_fields__},
                "transport": self.transport,
                "trigger_host": "127.0.0.1",
                "trigger_address": "127.0.0.1",
                "trigger_port": self.https_port,
                "trigger_uri": "/gsma/adminagent",
            }
        )
        smpp = SMPPSettings(
            host="127.0.0.1",
            port=self.world.ports["smpp_port"],
            system_id="ferryman",
            password=PASSWORD,
            source_addr=SMSR_ADDRESS.lstrip("+"),
            reconnect_min=0.05,
        )
        return Configuration(
            data=self.data,
            sm_sr=sr,
            sm_dp=self.sm_dp,
            smpp=smpp if self.smsc else None,
            https=HTTPSSettings("127.0.0.1", self.https_port) if self.https_port else None,
            soap=self.soap,
            rest=self.rest,
            threaded=self.threaded,
            on_commit=self.on_commit,
            before_commit=self.before_commit,
        )

    async def open(self) -> Operator:
        """Start the installation."""
        self.installation = Installation(
            self.configuration(),
            clock=LoopClock(start=START + asyncio.get_running_loop().time()),
            entropy=self.entropy,
        )
        await self.installation.start()
        return Operator(self.installation.bus, OWNER)

    async def close(self) -> None:
        """Stop in order."""
        await self.installation.stop()

    async def set_up(
        self, operator: Operator, template: bytes | None = None, name: str = "demo", *, cards: bool = True
    ) -> None:
        """Everything an operator does once: trust, certificate, cards, template, subscriptions."""
        folder = self.world.folder
        await operator.crypto(crypto.ImportTrustAnchor(pem=(folder / "ci.pem").read_bytes()))
        made = await operator.crypto(crypto.MakeSigningKey(role="dp"))
        assert isinstance(made, crypto.SigningKey)
        pem = folder / "dp.pem"
        pem.write_bytes(made.public_key_pem)
        await operator.crypto(crypto.ImportCertificate(role="dp", certificate=certify(folder, pem)))
        key = bytes.fromhex((folder / "transport-key.hex").read_text().strip())
        await operator.crypto(crypto.ImportTransportKey(eum_id=self.world.batch["eum"]["oid"], key=key))
        await self.tell_types(operator)  # of cards that come later, too: by ES1, or from another SM-SR
        if cards:
            await operator.sm_sr(admin.RegisterEIS(xml=(folder / "eis.xml").read_bytes()))
        der = template if template is not None else demo_template()
        await operator.sm_dp(admin.ImportTemplate(owner=OWNER, name=name, der=der))
        await operator.import_subscriptions(self.world.csv.encode(), name)

    async def tell_types(self, operator: Operator) -> None:
        """What an SM-SR has to know of the cards of this world: the data of their eUICC type, nothing else."""
        await personality.tell_types(operator, self.world.batch["eum"]["oid"], self.world.options)


async def wait_order(operator: Operator, order_id: str, *, timeout: float = 7200.0) -> admin.OrderView:
    """The order once it has ended."""
    end = asyncio.get_running_loop().time() + timeout
    while True:
        view = await operator.sm_dp(admin.ShowOrder(owner=OWNER, order_id=order_id))
        assert isinstance(view, admin.OrderView)
        if view.state == "done" or asyncio.get_running_loop().time() > end:
            return view
        await asyncio.sleep(0.5)


def free_port() -> int:
    """A loopback port that is free now, below those that the kernel gives to connections: so it stays free."""
    while True:
        port = LOWEST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


__all__ = ["OWNER", "Platform", "World", "free_port", "replace", "wait_order", "write_batch"]
