"""Known secrets of a card and a subscription go through whole orders and are nowhere but sealed in the vault."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import sqlite3
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog

from canaries import Canaries
from ferryman.cli.wiring import VAULT_KEY
from ferryman.contracts import admin, crypto, imports
from ferryman.crypto_server.profile_keys import Exchange, Keyset
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.platform.bus import InProcessBus
from ferryman.profile.demo_template import demo_template
from ferryman.profile.subscriptions import DEFAULT, RowReader, read_heading
from ferryman.profile.template import compile_template
from ferryman.secure import ecka
from ferryman.secure.scp03 import StaticKeys, session_keys
from ferryman.sm_dp.records import DPSettings
from premises import Premises
from rig import OWNER, Platform, SeededEntropy, World, free_port, wait_order
from virtual_loop import run, virtual

LIMIT = 50_000.0  # virtual seconds
COLUMNS = ["ICCID", "IMSI", "MSISDN", "KI", "OPC", "PIN1", "PUK1", "PIN2", "PUK2", "ADM1", "KIC", "KID", "KIK"]
ROW = {
    "ICCID": "8988211000000000011",
    "IMSI": "001010000000001",
    "MSISDN": "8821100000001",
    "KI": "C1A0E7D3945B6F28813CF09A67D4E25B",
    "OPC": "5E93B70C1D48A6F2E0357C8B91D62A4F",
    "PIN1": "58203917",
    "PUK1": "60417283",
    "PIN2": "91745028",
    "PUK2": "37160952",
    "ADM1": "E7A91C5D3B60F284",
    "KIC": "9A4C61E83F07D2B5C86E15A07D93F42B",
    "KID": "27F5D80B6CA3914E5D08B7F216C94E83",
    "KIK": "F3186D94A2C07BE5940DE8315CB76A2F",
}
CODES = ("PIN1", "PUK1", "PIN2", "PUK2")
# Calls that carry key material by contract (contracts.crypto says so of each); nothing else may.
KEYED_CALLS = ("ImportTransportKey", "OpenImport", "ImportChunk", "GetPSK")


def csv_text(**changes: str) -> str:
    row = ROW | changes
    return ",".join(COLUMNS) + "\n" + ",".join(row[column] for column in COLUMNS) + "\n"


def of_subscription() -> dict[str, bytes]:
    """Secrets of the subscription; the codes as the ASCII digits that a package has."""
    keys = {name: bytes.fromhex(ROW[name]) for name in ("KI", "OPC", "ADM1", "KIC", "KID", "KIK")}
    return keys | {name: ROW[name].encode() for name in CODES}


class WatchedEntropy:
    """Reproducible bytes; keeps the private keys that are made of them."""

    def __init__(self) -> None:
        self._source = SeededEntropy("canary")
        self.private: list[bytes] = []

    def __call__(self, count: int) -> bytes:
        made = self._source(count)
        if count == ecka.ENTROPY_BYTES:
            self.private += [ecka.ephemeral_private(made), made]
        return made


class Ears:
    """Everything said on the bus, in calls and in logs."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.calls: list[bytes] = []
        self.logs: list[str] = []

    @contextlib.contextmanager
    def open(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        deliver, call = InProcessBus.deliver, InProcessBus.call

        async def heard_message(bus: InProcessBus, dest: str, raw: bytes) -> None:
            self.messages.append(raw)
            await deliver(bus, dest, raw)

        async def heard_call(bus: InProcessBus, dest: str, caller: str, raw: bytes) -> bytes:
            answer = await call(bus, dest, caller, raw)
            if json.loads(raw)["body"]["type"] not in KEYED_CALLS:
                self.calls += [raw, answer]
            return answer

        patch.setattr(InProcessBus, "deliver", heard_message)
        patch.setattr(InProcessBus, "call", heard_call)
        handler, structure = _Collector(self.logs), structlog.get_config()
        root = logging.getLogger()
        levels = {name: logging.getLogger(name).level for name in ("", "sqlalchemy", "asyncio")}
        for name in levels:
            logging.getLogger(name).setLevel(logging.DEBUG)
        root.addHandler(handler)
        try:
            # Before any filter and any processor that masks: not even what is masked may be said.
            structlog.reset_defaults()
            with structlog.testing.capture_logs() as events:
                yield
        finally:
            structlog.configure(**structure)
            root.removeHandler(handler)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
        self.logs += [repr(event) for event in events]


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{record.getMessage()} {record.args!r} {record.exc_text or ''}")


def opened(place: Path) -> list[bytes]:
    """Every value in the vault, opened with its key."""
    vault = Vault(bytes.fromhex((place / VAULT_KEY).read_text().strip()), bytes)
    with contextlib.closing(sqlite3.connect(f"file:{place}/crypto-server.db?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT ref, sealed FROM secret").fetchall()
        rows += [
            (f"subscription/{iccid}\0{number}\0{owner}\0{','.join(json.loads(names))}", sealed)
            for iccid, number, owner, names, sealed in database.execute(
                "SELECT iccid, number, owner, names, sealed FROM subscription_secret "
                "JOIN subscription_import ON number = batch"
            )
        ]
    return [vault.open(ref, sealed) for ref, sealed in rows]


def modes(folder: Path) -> dict[str, int]:
    """Permissions of everything in a data directory."""
    found = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}
    return found | {".": stat.S_IMODE(folder.stat().st_mode)}


def private(found: dict[str, int]) -> bool:
    """Only the owner may enter the folder, and read and write its files."""
    files = {mode for name, mode in found.items() if name != "."}
    return found["."] == 0o700 and files == {0o600}


@pytest.mark.parametrize("transport", ["sms", "https"])
def test_no_secret_leaves_the_vault(tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ears = Ears()
    entropy = WatchedEntropy()
    data = tmp_path / "data"

    async def scenario() -> tuple[Canaries, list[str], list[bytes], dict[str, int]]:
        world = World(tmp_path / "world")
        world.prepare()
        world.csv = csv_text()
        await world.start()
        port = free_port() if transport == "https" else 0
        kept = DPSettings(keep_delivered=True)  # the vault must have what the search is for
        platform = Platform(world, data, transport=transport, https_port=port, entropy=entropy, sm_dp=kept)
        operator = await platform.open()
        try:
            await platform.set_up(operator)
            request = admin.CreateOrder(owner=OWNER, eid=world.eids[0], profile_type="demo", validity=7200)
            order = await operator.sm_dp(request)
            assert isinstance(order, admin.OrderView)
            view = await wait_order(operator, order.order_id)
            assert view.status is not None
            assert view.status.ok
            assert world.status(world.eids[0])["authenticated"]  # with the Ki that went over the air
            canaries = Canaries(of_subscription() | of_card(world) | of_platform(world, entropy))
            return canaries, canaries.within_files(data), opened(data), modes(data)
        finally:
            await platform.close()
            await world.stop()

    with ears.open(monkeypatch):
        canaries, running, values, permissions = run(scenario(), limit=LIMIT)
    assert private(permissions), permissions
    assert running == []  # databases and their write-ahead logs while everything runs
    assert canaries.within_files(data) == []
    assert canaries.within_any(ears.messages) == []
    assert canaries.within_any(ears.calls) == []
    assert canaries.within_any(ears.logs) == []
    assert private(modes(data)), modes(data)
    assert len(ears.messages) > 20
    assert len(ears.logs) > 20
    # They were there: the vault has them, and the same search finds them in what it holds.
    kept = set(canaries.within_any(values))
    assert {"KI", "OPC", "ADM1", "PIN1", "SCP80 kic", "SCP80 kid", "transport key", "ISD-P enc"} <= kept
    assert "PSK" in kept


def of_card(world: World) -> dict[str, bytes]:
    """Keys of the card, as its maker made them and as the ISD-P has them now."""
    card = world.terminal.devices[world.eids[0]].card.dump()
    scp80, scp81 = card["isdr"]["scp80"][0], card["isdr"]["scp81"][0]
    found = {f"SCP80 {name}": scp80[name] for name in ("kic", "kid", "dek")}
    found |= {"PSK": scp81["psk"], "SCP81 dek": scp81["dek"]}
    (keyset,) = [isdp["keysets"][0] for isdp in card["isdps"] if isdp["keysets"]]
    found |= {f"ISD-P {name}": keyset[name] for name in ("enc", "mac", "dek")}
    return {name: bytes.fromhex(value) for name, value in found.items()}


def of_platform(world: World, entropy: WatchedEntropy) -> dict[str, bytes]:
    """Transport key, our private keys and the randomness they came from."""
    transport = bytes.fromhex((world.folder / "transport-key.hex").read_text().strip())
    made = {f"private key {number}": key for number, key in enumerate(entropy.private)}
    assert made
    return {"transport key": transport} | made


FAILURES: dict[str, Callable[[Premises], Awaitable[object]]] = {
    "wrong check digit": lambda place: place.subscriptions(csv_text(ICCID="8988211000000000012")),
    "long Ki": lambda place: place.subscriptions(csv_text(KI=ROW["KI"] + "00")),
    "Ki for a heading": lambda place: place.subscriptions(csv_text().replace("KI,", ROW["KI"] + ",", 1)),
    "value too many": lambda place: place.subscriptions(csv_text().rstrip() + "," + ROW["OPC"]),
    "PIN in place of the IMSI": lambda place: place.subscriptions(csv_text(IMSI=ROW["PIN1"])),
    "unknown profile type": lambda place: place.subscriptions(csv_text(), name="none"),
    "broken quotes": lambda place: place.subscriptions(csv_text(KI='"' + ROW["KI"])),
    "file as template": lambda place: place.template(csv_text().encode()),
    "file as delivery": lambda place: place.register(csv_text().encode()),
    "file as certificate": lambda place: place.operator.crypto(
        crypto.ImportCertificate(role="dp", certificate=csv_text().encode())
    ),
    "file as CI": lambda place: place.operator.crypto(crypto.ImportTrustAnchor(pem=csv_text().encode())),
    "key of a wrong size": lambda place: place.operator.crypto(
        crypto.ImportTransportKey(eum_id="1.2", key=bytes.fromhex(ROW["KI"]) + b"\0")
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_no_secret_of_a_failed_import(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the refusal, not in a log, not in a file."""
    ears = Ears()
    canaries = Canaries(of_subscription())
    told: list[str] = []

    @virtual
    async def scenario() -> None:
        async with Premises(tmp_path / "data") as place:
            await place.template(demo_template())
            with pytest.raises(Refused) as caught:
                await FAILURES[name](place)
            told.extend((str(caught.value), repr(caught.value), repr(caught.value.args)))
            await asyncio.sleep(1)
            told.extend(canaries.within_files(tmp_path / "data"))

    with ears.open(monkeypatch):
        scenario()
    assert canaries.within_any(told) == []
    assert canaries.within_any(ears.logs) == []
    assert canaries.within_files(tmp_path / "data") == []


def test_objects_that_hold_secrets_do_not_show_them() -> None:
    canaries = Canaries(of_subscription())
    ki, opc, kic = (bytes.fromhex(ROW[name]) for name in ("KI", "OPC", "KIC"))
    content = csv_text().encode()
    heading = read_heading(content, DEFAULT)
    rows = RowReader(DEFAULT, heading).read(content[heading.offset :], 2)
    static = StaticKeys(ki, opc)
    held = [
        rows,
        Keyset(ki, opc, kic),
        Exchange(ki, opc),
        Vault(ki + opc, bytes),
        static,
        session_keys(static, bytes(8), bytes(8)),
        crypto.PSK(key=ki),
        crypto.ImportTransportKey(eum_id="1.2", key=ki),
        imports.OpenImport(owner=OWNER, import_id="0", head=content),
        imports.ImportChunk(owner=OWNER, import_id="0", number=0, line=2, data=content),
        compile_template(demo_template()),
    ]
    for thing in held:
        assert canaries.within(repr(thing)) == [], type(thing)
        assert canaries.within(f"{thing}") == [], type(thing)
    derived = session_keys(static, bytes(8), bytes(8))
    assert Canaries({"session": derived.enc}).within(repr(derived)) == []


def test_a_vault_with_another_key_says_nothing(tmp_path: Path) -> None:
    canaries = Canaries(of_subscription())
    vault = Vault(bytes(32), bytes)
    sealed = vault._seal("ref", bytes.fromhex(ROW["KI"]))
    with pytest.raises(InputError) as caught:
        Vault(b"\1" * 32, bytes).open("ref", sealed)
    assert canaries.within(repr(caught.value)) == []
    with pytest.raises(InputError):
        vault.open("other", sealed)  # a value copied to another reference does not open


def test_the_search_finds_every_spelling() -> None:
    """Raw, hexadecimal, inside a longer base64 text at any place, as Python shows bytes."""
    secret = bytes.fromhex(ROW["KI"])
    canaries = Canaries({"KI": secret})
    for before in range(7):
        whole = b"x" * before + secret + b"y" * 5
        for text in (whole, whole.hex(), whole.hex().upper(), base64.b64encode(whole), repr(whole)):
            assert canaries.within(text) == ["KI"]
        assert canaries.within(base64.urlsafe_b64encode(whole)) == ["KI"]
    assert canaries.within(b"x" * 100 + secret[:-1]) == []
