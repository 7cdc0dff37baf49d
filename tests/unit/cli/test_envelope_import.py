"""Import files in OpenPGP envelopes: handed over in parts, opened whole, interrupted anywhere, refused whole."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from ferryman.contracts import codes, envelopes, imports
from ferryman.contracts.message import Body
from ferryman.contracts.roles import CRYPTO_SERVER
from ferryman.crypto_server import envelope_child, envelope_process, envelope_rows
from ferryman.crypto_server import envelopes as role
from ferryman.crypto_server.schema import subscription_secret
from ferryman.errors import Refused
from ferryman.platform import importing
from ferryman.platform.exporting import Exporter
from ferryman.platform.importing import Importer
from ferryman.profile.demo_template import demo_template
from ferryman.secure import openpgp
from openpgp_keys import NOW, envelope, our_key, sender
from premises import NAME, OWNER, Premises, subscriptions
from virtual_loop import virtual

ROWS = 40
EACH = 1 if os.environ.get("FERRYMAN_SOAK") else 3  # of the calls, one that is the last
MAKER = "maker"
DIGEST = "ab" * 32


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several parts and several runs in a small file."""
    monkeypatch.setattr(importing, "RUN_BYTES", 5_000)
    monkeypatch.setattr(role, "RUN_BYTES", 5_000)
    monkeypatch.setattr(role, "SEALED_PART", 1_000)


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's work done here: the virtual clock waits for no process."""

    async def run(task: envelope_child.Task, content: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        header = envelope_process.msgspec.msgpack.encode(task)
        whole = b"".join([piece async for piece in content])
        sink = io.BytesIO()
        framed = len(header).to_bytes(envelope_child.LENGTH_BYTES) + header + whole
        envelope_child.serve(io.BytesIO(framed), sink, lambda _: None)
        said = sink.getvalue()
        if said[:1] != envelope_child.OK:
            raise Refused(*codes.FORMAT_INVALID, said[1:].decode())
        for at in range(1, len(said), 777):
            yield said[at : at + 777]

    monkeypatch.setattr(envelope_process, "run", run)


class Interrupted(Exception):
    """The importing process is gone."""


class Cut:
    """An operator whose process ends behind its n-th call."""

    def __init__(self, place: Premises, calls: int) -> None:
        self._operator = place.operator
        self.owner = OWNER
        self._left = calls

    async def _call(self, method: Any, body: Body) -> Body:
        self._left -= 1
        answer: Body = await method(body)
        if self._left == 0:
            raise Interrupted
        return answer

    async def crypto(self, body: Body) -> Body:
        return await self._call(self._operator.crypto, body)

    async def sm_dp(self, body: Body) -> Body:
        return await self._call(self._operator.sm_dp, body)


def content(count: int = ROWS) -> bytes:
    return subscriptions(count, "envelope").encode()


async def ready(place: Premises) -> None:
    """A template, our key, the sender's key."""
    await place.template(demo_template())
    await place.operator.crypto(envelopes.ImportOpenPGPKey(data=our_key()))
    await place.operator.crypto(envelopes.ImportOpenPGPKey(data=openpgp.public_of(sender()), name=MAKER))


def sent(count: int = ROWS, *, signed: bool = True) -> io.BytesIO:
    return io.BytesIO(envelope(content(count), signed_by=sender() if signed else None, compression="uncompressed"))


def stored(place: Premises) -> tuple[list[Any], list[Any]]:
    tables = place.dump()
    return (
        [row[0] for row in tables["crypto-server.subscription_secret"]],
        [row[0] for row in tables["sm-dp.subscription"]],
    )


def pieces(place: Premises) -> int:
    tables = place.dump()
    return len(tables["crypto-server.envelope"]) + len(tables["crypto-server.envelope_piece"])


@pytest.mark.usefixtures("within")
@virtual
async def test_an_envelope_is_imported_like_the_file_in_it(tmp_path: Path) -> None:
    expected = [line.split(",")[0] for line in content().decode().splitlines()[1:]]
    async with Premises(tmp_path / "data") as place:
        await ready(place)
        done = await Importer(place.operator).envelope(sent(), NAME, signer=MAKER)
        assert (done.new, done.known) == (ROWS, 0)
        assert stored(place) == (expected, expected)
        assert pieces(place) == 0, "nothing of the envelope is kept"
        plain = await place.operator.import_subscriptions(content(), NAME)
        assert (plain.new, plain.known) == (0, ROWS), "the same values as from the file in clear"


@pytest.mark.usefixtures("within")
@virtual
async def test_the_same_envelope_again_changes_nothing(tmp_path: Path) -> None:
    file = sent()
    async with Premises(tmp_path / "data") as place:
        await ready(place)
        await Importer(place.operator).envelope(file, NAME, signer=MAKER)
        file.seek(0)
        async with place.unchanged():
            again = await Importer(place.operator).envelope(file, NAME, signer=MAKER)
        assert (again.new, again.known) == (0, ROWS)


@pytest.mark.usefixtures("within")
@virtual
async def test_interrupted_behind_any_call_and_begun_again(tmp_path: Path) -> None:
    expected = [line.split(",")[0] for line in content().decode().splitlines()[1:]]
    file = sent()
    cut = 0
    while True:
        cut += EACH
        async with Premises(tmp_path / f"{cut}") as place:
            await ready(place)
            file.seek(0)
            try:
                await Importer(Cut(place, cut)).envelope(file, NAME, signer=MAKER)
            except Interrupted:
                file.seek(0)
                again = await Importer(place.operator).envelope(file, NAME, signer=MAKER)
                assert again.new + again.known == ROWS
                assert stored(place) == (expected, expected), "nothing lost, nothing doubled"
                assert pieces(place) == 0
            else:
                assert cut > 10
                return


@pytest.mark.usefixtures("within")
@pytest.mark.parametrize("where", ["damaged", "unsigned", "not for us"])
@virtual
async def test_an_envelope_that_cannot_be_trusted_leaves_nothing(tmp_path: Path, where: str) -> None:
    whole = sent(signed=where != "unsigned").getvalue()
    if where == "damaged":
        whole = whole[:-400] + bytes((whole[-400] ^ 1,)) + whole[-399:]
    if where == "not for us":
        whole = envelope(content(), to=sender(), signed_by=sender())
    async with Premises(tmp_path / "data") as place:
        await ready(place)
        async with place.unchanged():
            with pytest.raises(Refused, match=r"envelope: is (damaged|not signed)"):
                await Importer(place.operator).envelope(io.BytesIO(whole), NAME, signer=MAKER)
        assert stored(place) == ([], [])


@pytest.mark.usefixtures("within")
@virtual
async def test_a_bad_row_in_an_envelope_leaves_nothing_and_a_dry_run_tells_it(tmp_path: Path) -> None:
    lines = content().decode().splitlines()
    cells = lines[30].split(",")
    cells[0] = cells[0][:-3] + cells[0][-2] + cells[0][-3] + cells[0][-1]
    lines[30] = ",".join(cells)
    file = io.BytesIO(envelope("\n".join(lines).encode()))
    async with Premises(tmp_path / "data") as place:
        await ready(place)
        async with place.unchanged():
            with pytest.raises(Refused, match="line 31, column ICCID: has a wrong check digit"):
                await Importer(place.operator).envelope(file, NAME)
        told = []
        file.seek(0)
        async with place.unchanged():
            done = await Importer(place.operator, report=told.append).envelope(file, NAME, dry_run=True)
        assert (done.new, done.refused) == (ROWS - 1, 1)
        assert [line.line for line in told] == list(range(2, ROWS + 2))


@pytest.mark.usefixtures("within")
@virtual
async def test_nothing_is_in_clear_where_it_waits(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(content().decode())))
    secrets = [row[name].encode() for row in rows for name in ("KI", "OPC", "KIC")]
    secrets += [bytes.fromhex(each.decode()) for each in secrets]
    async with Premises(tmp_path / "data") as place:
        await ready(place)
        with pytest.raises(Interrupted):
            await Importer(Cut(place, 8)).envelope(sent(), NAME)
        assert pieces(place) > 3
        files = [path.read_bytes() for path in (tmp_path / "data").glob("*.db*")]
        assert not [each for each in secrets if any(each in file for file in files)]


@pytest.mark.usefixtures("within")
@virtual
async def test_what_may_not_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        ask = place.operator.crypto
        begin = envelopes.BeginEnvelope(owner=OWNER, envelope_id=DIGEST)
        with pytest.raises(Refused, match="no OpenPGP key; make one"):
            await ask(begin)
        with pytest.raises(Refused, match="no OpenPGP key; make one"):
            await ask(envelopes.ShowOpenPGPKey())
        await ask(envelopes.MakeOpenPGPKey(user_id="Ferryman"))
        with pytest.raises(Refused, match="no OpenPGP key 'maker'"):
            await ask(envelopes.BeginEnvelope(owner=OWNER, envelope_id=DIGEST, signer=MAKER))
        with pytest.raises(Refused, match="SHA-256"):
            await ask(envelopes.BeginEnvelope(owner=OWNER, envelope_id="x"))
        await ask(begin)
        part = envelopes.EnvelopePart(owner=OWNER, envelope_id=DIGEST, number=1, data=b"x")
        with pytest.raises(Refused, match="part 0 is missing"):
            await ask(part)
        with pytest.raises(Refused, match="another operator's"):
            await ask(envelopes.EnvelopePart(owner="1.2.3", envelope_id=DIGEST, number=0, data=b"x"))
        with pytest.raises(Refused, match="no such envelope"):
            await ask(imports.OpenImport(owner=OWNER, import_id=DIGEST, envelope=True))
        monkeypatch.setattr(envelope_rows, "MAX_ENVELOPE", 10)
        for _ in range(2):  # a repeat is stored once
            state = await ask(envelopes.EnvelopePart(owner=OWNER, envelope_id=DIGEST, number=0, data=b"x" * 5))
            assert isinstance(state, envelopes.EnvelopeState)
            assert (state.parts, state.size) == (1, 5)
        with pytest.raises(Refused, match="divide the file"):
            await ask(envelopes.EnvelopePart(owner=OWNER, envelope_id=DIGEST, number=1, data=b"x" * 6))
        with pytest.raises(Refused, match="no such envelope"):
            await ask(envelopes.ReadEnvelope(owner=OWNER, envelope_id=DIGEST, number=0))


@pytest.mark.usefixtures("within")
@virtual
async def test_a_new_key_leaves_the_former_one_to_open_old_files(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await ready(place)
        again = await place.operator.crypto(envelopes.MakeOpenPGPKey(user_id="Ferryman"))
        assert isinstance(again, envelopes.OpenPGPKey)
        assert again.fingerprint == openpgp.described(openpgp.public_of(our_key()))[0]
        renewed = await place.operator.crypto(envelopes.MakeOpenPGPKey(user_id="Ferryman", renew=True))
        shown = await place.operator.crypto(envelopes.ShowOpenPGPKey())
        assert shown == renewed != again
        assert (await Importer(place.operator).envelope(sent(), NAME)).new == ROWS


@pytest.mark.usefixtures("within")
@virtual
async def test_the_export_is_for_its_reader_alone(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await ready(place)
        done = await place.operator.import_subscriptions(content(), NAME)
        rows, sealed = await Exporter(place.operator).sealed(done.import_id, MAKER)
        assert rows == ROWS
        assert pieces(place) == 0
        opened = openpgp.open_message(sealed, (sender(),), openpgp.public_of(our_key()), NOW)
        given = {row["ICCID"]: row for row in csv.DictReader(io.StringIO(content().decode()))}
        found = list(csv.DictReader(io.StringIO(opened.decode())))
        assert len(found) == ROWS
        for row in found:
            expected = given[row["ICCID"]]
            assert row["ALGORITHM"] == "milenage"
            assert all(row[name] == expected[name] for name in ("IMSI", "MSISDN", "KI", "OPC"))
        with pytest.raises(Refused, match="no OpenPGP key 'nobody'"):
            await Exporter(place.operator).sealed(done.import_id, "nobody")
        # One is delivered, and its secrets destroyed: its line says so by having none.
        gone = found[1]["ICCID"]
        crypto = next(one for one in place.installation.mailboxes if one.role == CRYPTO_SERVER)
        destroyed = delete(subscription_secret).where(subscription_secret.c.iccid == gone)
        await crypto.store.write(lambda c: c.execute(destroyed))
        rows, sealed = await Exporter(place.operator).sealed(done.import_id, MAKER)
        opened = openpgp.open_message(sealed, (sender(),), openpgp.public_of(our_key()), NOW)
        left = list(csv.DictReader(io.StringIO(opened.decode())))
        assert rows == ROWS
        assert left[1] == {**found[1], "ALGORITHM": "", "KI": "", "OPC": ""}
        assert [left[0], *left[2:]] == [found[0], *found[2:]]


async def pieces_of(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 50_000):
        yield data[at : at + 50_000]


async def answered(message: bytes, *, memory: int = envelope_child.MEMORY) -> bytes:
    task = envelope_child.Task(secrets=(our_key(),), now=NOW, memory=memory)
    return b"".join([piece async for piece in envelope_process.run(task, pieces_of(message))])


async def test_the_process_that_opens() -> None:
    large = content() * 200
    assert await answered(envelope(large, compression="uncompressed")) == large
    with pytest.raises(Refused, match="not whole"):
        await answered(envelope(large)[:-9])
    bomb = envelope(bytes(300_000_000))
    assert len(bomb) < 1_000_000
    with pytest.raises(Refused, match="needs more memory or time"):
        await answered(bomb, memory=250_000_000)
