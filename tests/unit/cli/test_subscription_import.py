"""Import of subscriptions through both roles: interrupted anywhere, repeated, dry, of ranges; and the way out."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cli_run import ferryman
from ferryman.contracts import admin, crypto, imports
from ferryman.contracts.imports import KeyRange, SubscriptionPublic
from ferryman.contracts.message import Body
from ferryman.errors import Refused, Unavailable
from ferryman.platform import importing
from ferryman.platform.importing import Importer, ReportLine
from ferryman.profile.demo_template import demo_template
from ferryman.profile.subscriptions.spelling import luhn_ok
from premises import NAME, OWNER, Premises, subscriptions
from saip_samples import ts48
from virtual_loop import virtual

ROWS = 40


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several runs in a small file."""
    monkeypatch.setattr(importing, "RUN_BYTES", 3_000)
    monkeypatch.setattr(importing, "RANGE_RUN", 7)


class Interrupted(Exception):
    """The importing process is gone."""


class Cut:
    """An operator whose process ends before or behind its n-th call."""

    def __init__(self, place: Premises, calls: int, *, behind: bool) -> None:
        self._operator = place.operator
        self.owner = OWNER
        self._left = calls
        self._behind = behind

    async def _call(self, method: Any, body: Body) -> Body:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._behind):
            raise Interrupted
        answer: Body = await method(body)
        if self._left == 0:
            raise Interrupted
        return answer

    async def crypto(self, body: Body) -> Body:
        return await self._call(self._operator.crypto, body)

    async def sm_dp(self, body: Body) -> Body:
        return await self._call(self._operator.sm_dp, body)


async def stock_of(place: Premises) -> list[tuple[str, int, int]]:
    page = await place.operator.sm_dp(imports.ListImports(owner=OWNER))
    assert isinstance(page, imports.ImportPage)
    return [(view.state, view.rows, view.free) for view in page.imports]


def stored(place: Premises) -> tuple[list[Any], list[Any]]:
    """ICCIDs that either role has."""
    tables = place.dump()
    return (
        [row[0] for row in tables["crypto-server.subscription_secret"]],
        [row[0] for row in tables["sm-dp.subscription"]],
    )


def content(count: int = ROWS) -> bytes:
    return subscriptions(count, "import").encode()


@pytest.mark.parametrize("behind", [False, True])
@virtual
async def test_interrupted_before_or_behind_any_call_and_begun_again(tmp_path: Path, behind: bool) -> None:
    expected = [line.split(",")[0] for line in content().decode().splitlines()[1:]]
    cut = 0
    while True:
        cut += 1
        async with Premises(tmp_path / f"{cut}") as place:
            await place.template(demo_template())
            try:
                await Importer(Cut(place, cut, behind=behind)).file(io.BytesIO(content()), NAME)
            except Interrupted:
                states = [state for state, _, _ in await stock_of(place)]
                if "finished" not in states:  # not before all of it is there
                    with pytest.raises(Refused, match="no subscription with this ICCID"):
                        await place.operator.sm_dp(order(expected[0]))
            else:
                assert cut > 10
                return
            again = await place.operator.import_subscriptions(content(), NAME)
            assert again.new + again.known == ROWS
            state, rows, _ = (await stock_of(place))[0]
            assert (state, rows) == ("finished", ROWS)
            assert stored(place) == (expected, expected), "nothing lost, nothing doubled"


def order(iccid: str) -> admin.CreateOrder:
    return admin.CreateOrder(owner=OWNER, eid="89033023000000000061494360000191", iccid=iccid)


@virtual
async def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        first = await place.operator.import_subscriptions(content(), NAME)
        assert (first.new, first.known) == (ROWS, 0)
        async with place.unchanged():
            again = await place.operator.import_subscriptions(content(), NAME)
        assert (again.new, again.known) == (0, ROWS)
        wider = content(ROWS + 3)
        more = await place.operator.import_subscriptions(wider, NAME)
        assert (more.new, more.known) == (3, ROWS)
        assert await stock_of(place) == [("finished", 3, 3), ("finished", ROWS, ROWS)]


@pytest.mark.parametrize(
    ("row", "column", "value", "words"),
    [
        (ROWS, "ICCID", "exchanged", "check digit"),  # two digits in the wrong order
        (ROWS, "ICCID", "{1}", "stands in the file twice"),
        (ROWS, "IMSI", "{1}", "stands in the file twice"),
        (ROWS, "MSISDN", "{1}", "stands in the file twice"),
        (ROWS, "KI", "00" * 16, "weak"),
        (2, "ICCID", "{1}", "is the same as in line 2"),
    ],
)
@virtual
async def test_one_bad_row_in_any_run_leaves_nothing(
    tmp_path: Path, row: int, column: str, value: str, words: str
) -> None:
    lines = content().decode().splitlines()
    at = lines[0].split(",").index(column)
    cells = lines[row].split(",")
    right = cells[at]
    exchanged = right[:-3] + right[-2] + right[-3] + right[-1]
    cells[at] = exchanged if value == "exchanged" else value.replace("{1}", lines[1].split(",")[at])
    lines[row] = ",".join(cells)
    broken = "\n".join(lines).encode()
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        async with place.unchanged():
            with pytest.raises(Refused, match=words) as refused:
                await place.operator.import_subscriptions(broken, NAME)
        assert f"line {row + 1}" in str(refused.value)
        told: list[ReportLine] = []
        async with place.unchanged():
            done = await Importer(place.operator, report=told.append).file(io.BytesIO(broken), NAME, dry_run=True)
        assert (done.new, done.refused, done.dry_run) == (ROWS - 1, 1, True)
        assert [line.line for line in told] == list(range(2, ROWS + 2))
        assert [(line.column, line.outcome) for line in told if line.outcome != "new"] == [(column, "refused")]


@virtual
async def test_a_dropped_import_that_was_interrupted_is_dropped_to_the_end(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        for calls in (5, 9):
            with pytest.raises(Interrupted):
                await Importer(Cut(place, calls, behind=True)).file(io.BytesIO(content()), NAME)
            import_id = (await place.operator.sm_dp(imports.ListImports(owner=OWNER))).imports[0].import_id  # type: ignore[attr-defined]
            await place.operator.crypto(imports.CloseImport(owner=OWNER, import_id=import_id, keep=False))
        done = await place.operator.import_subscriptions(content(), NAME)
        assert done.new == ROWS
        assert len(stored(place)[0]) == len(stored(place)[1]) == ROWS
        with pytest.raises(Refused, match="is finished"):
            await place.operator.crypto(imports.CloseImport(owner=OWNER, import_id=import_id, keep=False))
        close = imports.CloseRegistration(owner=OWNER, import_id=import_id, keep=False)
        with pytest.raises(Refused, match="is finished"):
            await place.operator.sm_dp(close)


@virtual
async def test_runs_out_of_order_and_imports_of_others(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        with pytest.raises(Interrupted):
            await Importer(Cut(place, 3, behind=True)).file(io.BytesIO(content()), NAME)
        import_id = (await place.operator.sm_dp(imports.ListImports(owner=OWNER))).imports[0].import_id  # type: ignore[attr-defined]
        late = imports.ImportChunk(owner=OWNER, import_id=import_id, number=5, line=2, data=b"")
        stranger = imports.ImportChunk(owner="1.2.3", import_id=import_id, number=0, line=2, data=b"")
        for question, words in ((late, "is missing"), (stranger, "no such import")):
            with pytest.raises(Refused, match=words):
                await place.operator.crypto(question)
        row = SubscriptionPublic("8988211000000000011", "001010000000001", "")
        skipped = imports.RegisterChunk(owner=OWNER, import_id=import_id, number=5, rows=(row,), lines=(2,))
        with pytest.raises(Refused, match="is missing"):
            await place.operator.sm_dp(skipped)
        with pytest.raises(Refused, match="not ended"):
            await place.operator.import_subscriptions(content(3), NAME)


@virtual
async def test_the_stock_itself_refuses_another_operators_iccid(tmp_path: Path) -> None:
    """The CryptoServer says so first; the SM-DP does not depend on that."""
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        await place.operator.import_subscriptions(content(3), NAME)
        ours = (await place.operator.sm_dp(imports.ListImports(owner=OWNER))).imports[0].import_id  # type: ignore[attr-defined]
        page = await place.operator.sm_dp(imports.ListSubscriptions(owner=OWNER, import_id=ours))
        assert isinstance(page, imports.SubscriptionPage)
        await place.operator.sm_dp(admin.ImportTemplate(owner="1.2.3", name=NAME, der=demo_template()))
        theirs = "c" * 64
        await place.operator.sm_dp(imports.OpenRegistration(owner="1.2.3", profile_type=NAME, import_id=theirs))
        chunk = imports.RegisterChunk(owner="1.2.3", import_id=theirs, number=0, rows=page.rows, lines=(2, 3, 4))
        answer = await place.operator.sm_dp(chunk)
        assert isinstance(answer, imports.ChunkRegistered)
        assert {(problem.rule, problem.in_use) for problem in answer.problems} == {("is in use", True)}
        assert (answer.new, answer.known) == (0, ())


def published() -> bytes:
    """A package with the test algorithm."""
    return ts48("TS48v2_SAIP2.3_BERTLV")


TEMPLATES = {
    "milenage": (demo_template, "milenage"),
    "tuak": (demo_template, "tuak128"),
    "test": (published, "as-is"),
    "xor": (published, "as-is"),
}


@pytest.mark.parametrize("algorithm", TEMPLATES)
@virtual
async def test_ranges_get_keys_and_the_hlr_gets_them_encrypted(tmp_path: Path, algorithm: str) -> None:
    wanted = KeyRange("898821100000000998", "001010000000101", "", 20, algorithm)
    key = bytes(range(1, 33))
    async with Premises(tmp_path / "data") as place:
        template, kept = TEMPLATES[algorithm]
        await place.template(template(), algorithm=kept)
        await place.operator.crypto(crypto.ImportTransportKey(eum_id="hlr", key=key))
        done = await Importer(place.operator).range(wanted, NAME)
        assert done.new == 20
        async with place.unchanged():
            assert (await Importer(place.operator).range(wanted, NAME)).known == 20
        page = await place.operator.sm_dp(imports.ListSubscriptions(owner=OWNER, import_id=done.import_id))
        assert isinstance(page, imports.SubscriptionPage)
        assert [row.imsi for row in page.rows] == [f"0010100000001{n:02d}" for n in range(1, 21)]
        assert all(luhn_ok(row.iccid) for row in page.rows)
        question = imports.ExportSubscriptions(owner=OWNER, rows=page.rows, key="hlr", cipher="aes-gcm")
        answer = await place.operator.crypto(question)
        assert isinstance(answer, imports.SubscriptionsExported)
        kis = set()
        for row, sealed in zip(page.rows, answer.rows, strict=True):
            ki = AESGCM(key).decrypt(sealed.ki[:12], sealed.ki[12:], f"{row.iccid},{row.imsi},KI".encode())
            kis.add(ki)
            assert len(ki) == 16
            if algorithm in ("milenage", "tuak"):
                bound = f"{row.iccid},{row.imsi},OPC".encode()
                opc = AESGCM(key).decrypt(sealed.opc[:12], sealed.opc[12:], bound)
                assert len(opc) == (16 if algorithm == "milenage" else 32)
            else:
                assert sealed.opc == b""
        assert len(kis) == 20
        with pytest.raises(Refused, match="no transport key"):
            await place.operator.crypto(
                imports.ExportSubscriptions(owner=OWNER, rows=page.rows, key="none", cipher="aes-gcm")
            )
        foreign = await place.operator.crypto(  # as what is not there
            imports.ExportSubscriptions(owner="1.2.3", rows=page.rows, key="hlr", cipher="aes-gcm")
        )
        assert isinstance(foreign, imports.SubscriptionsExported)
        assert {(one.algorithm, one.ki, one.opc) for one in foreign.rows} == {("", b"", b"")}
        other = SubscriptionPublic(page.rows[0].iccid, "001019999999999", "")
        with pytest.raises(Refused, match="not the one"):
            await place.operator.crypto(
                imports.ExportSubscriptions(owner=OWNER, rows=(other,), key="hlr", cipher="aes-gcm")
            )


@virtual
async def test_a_mapping_with_a_key_that_is_missing_leaves_nothing(tmp_path: Path) -> None:
    mapping = (
        "columns:\n  ICCID: {is: iccid, spelling: digits}\n  IMSI: {is: imsi, spelling: digits}\n"
        "  KI: {is: ki, key: nobody, cipher: aes-ecb}\n  OPC: opc\n"
    )
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())
        async with place.unchanged():
            with pytest.raises(Refused, match="no transport key"):
                await Importer(place.operator).file(io.BytesIO(content()), NAME, mapping=mapping)


@virtual
async def test_the_database_away_is_no_reason_to_drop(tmp_path: Path) -> None:
    async with Premises(tmp_path / "data") as place:
        await place.template(demo_template())

        class Away(Cut):
            async def _call(self, method: Any, body: Body) -> Body:
                if isinstance(body, imports.RegisterChunk) and body.number == 2:
                    raise Unavailable("sm-dp")
                answer: Body = await method(body)
                return answer

        with pytest.raises(Unavailable):
            await Importer(Away(place, 0, behind=False)).file(io.BytesIO(content()), NAME)
        assert stored(place)[1]
        assert (await place.operator.import_subscriptions(content(), NAME)).new == ROWS


def run(*words: str) -> Any:
    said = ferryman(*words)
    assert said.code == 0, said.err
    return said.json


def test_the_commands(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "operator.csv"
    file.write_bytes(content())
    package = tmp_path / "t.der"
    package.write_bytes(demo_template())
    (tmp_path / "hlr.hex").write_text("00112233445566778899AABBCCDDEE01")
    base = ("--data", str(data), "--json")
    run("template", "import", str(package), "--name", "demo", *base)
    report = tmp_path / "report.csv"
    words = ("subscription", "import", str(file), "--profile-type", "demo")
    dry = run(*words, "--dry-run", "--report", str(report), *base)
    assert (dry["new"], dry["dry_run"]) == (ROWS, True)
    lines = list(csv.reader(report.read_text().splitlines()))
    assert len(lines) == ROWS + 1
    secrets = {cell for line in content().decode().splitlines()[1:] for cell in line.split(",")[3:]}
    assert secrets.isdisjoint(cell for line in lines for cell in line)
    done = run(*words, *base)
    assert done["new"] == ROWS
    run("key", "import-operator", str(tmp_path / "hlr.hex"), "--name", "hlr", *base)
    out = tmp_path / "hlr.csv"
    export = run("subscription", "export", done["import_id"], "--key", "hlr", "--out", str(out), *base)
    assert export["rows"] == ROWS
    assert out.stat().st_mode & 0o777 == 0o600
    written = out.read_text()
    assert secrets.isdisjoint(written.upper().replace("\r", "").replace("\n", ",").split(","))
    made = run(
        *("subscription", "generate", "--profile-type", "demo", "--first-iccid", "898821900000000001"),
        *("--first-imsi", "001019000000001", "--count", "9", *base),
    )
    assert made["new"] == 9
    listed = run("subscription", "imports", *base)
    assert [view["free"] for view in listed["imports"]] == [9, ROWS]
