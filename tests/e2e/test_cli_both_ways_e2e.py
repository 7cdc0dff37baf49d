"""Every command that `--server` carries prints and ends elsewhere as it does at the machine, errors included."""

from __future__ import annotations

from pathlib import Path

from both_ways import STAFF, Step, commands, terminal
from e2e.bench import bench
from ferryman.cli.remote.reach import Reach, reach_of
from ferryman.profile.demo_template import demo_template
from ferryman.rest_api.settings import RESTSettings
from ferryman.secure import openpgp
from openpgp_keys import sender
from rest_world import RestWorld, rest_world
from rig import OWNER, subscriptions
from virtual_loop import virtual

ROWS = 5
ABSENT = "89033023000000000000000000000070"
PEER = "peer add p --kind operator --oid 1.2.3 --username p --password-file {folder}/key.hex"
POLICY = "es2 policy {eid} {iccid} --rule DELETE:Not-Allowed --wait"
GENERATE = (
    "subscription generate --profile-type demo --first-iccid 898821100000090000"
    " --first-imsi 001010000900000 --count 3"
)

# Without any eUICC.
DESK = (
    Step("template import {folder}/demo.der --name demo"),
    Step("template import {folder}/nothing.der --name demo", code=1),
    Step("template import {folder}/bad.der --name demo", code=1),
    Step("template stock"),
    Step("template low-water demo 1"),
    Step("template low-water none 1", code=1),
    Step("subscription import {folder}/subs.csv --profile-type demo --dry-run --report {folder}/report.csv"),
    Step("subscription import {folder}/bad.csv --profile-type demo --dry-run", code=1),
    Step("subscription import {folder}/bad.csv --profile-type demo", code=1),
    Step("subscription import {folder}/subs.csv --profile-type none", code=1),
    Step("subscription import {folder}/subs.csv --profile-type demo --mapping {folder}/bad.yaml", code=1),
    Step("subscription import {folder}/subs.csv --profile-type demo --openpgp", code=1),
    Step(GENERATE),
    Step("subscription generate --profile-type demo --first-iccid 8 --first-imsi 0 --count 3", code=1),
    Step("subscription imports"),
    Step("subscription export {import_id} --key hlr --out {folder}/out.csv"),
    Step("subscription export {import_id} --key nobody --out {folder}/out.csv", code=1),
    Step("subscription export nonsense --key hlr --out {folder}/out.csv", code=1),
    Step("subscription export {import_id} --openpgp hlr --out {folder}/out.pgp"),
    Step("subscription export {import_id} --openpgp nobody --out {folder}/out.pgp", code=1),
    Step("key make-openpgp --user-id 'Ferryman <dp@example.org>'", STAFF),
    Step("key show-openpgp", STAFF),
    Step("key show-openpgp --name nobody", STAFF, code=1),
    Step("key import-openpgp {folder}/sender.pgp --name hlr", STAFF),
    Step("key import-openpgp {folder}/bad.csv --name hlr", STAFF, code=1),
    Step("key import-transport {folder}/key.hex --eum 1.2.3", STAFF),
    Step("key import-transport {folder}/short.hex --eum 1.2.3", STAFF, code=1),
    Step("key import-operator {folder}/key.hex --name hlr", STAFF),
    Step("key import-hook {folder}/hook.hex --name calls"),
    Step("key import-hook {folder}/key.hex --name calls", code=1),
    Step("certificate request", STAFF),
    Step("certificate import {folder}/bad.csv", STAFF, code=1),
    Step("certificate eum {folder}/bad.csv", STAFF, code=1),
    Step("certificate crl {folder}/bad.csv", STAFF, code=1),
    Step("certificate list", STAFF),
    Step("euicc import {folder}/bad.csv", STAFF, code=1),
    Step("order hook set --profile-type demo --at after-enable"),
    Step("order hook list"),
    Step("order hook set --profile-type none", code=1),
    Step("order hook remove --profile-type demo", before="order hook set --profile-type demo"),
    Step("order hook remove --profile-type none", code=1),
    Step(PEER, STAFF, anew=True),
    Step("peer list", STAFF),
    Step("peer show p", STAFF),
    Step("peer show nobody", STAFF, code=1),
    Step("peer test p", STAFF, anew=True, code=1),
    Step("peer remove p", STAFF, before=PEER),
    Step("peer test nobody", STAFF, code=1),
    Step("api-key add billing --role auditor", STAFF, anew=True),
    Step("api-key add billing --role king", STAFF, code=1),
    Step("api-key list", STAFF, anew=True),
    Step("api-key revoke nonsense", STAFF, code=1),
    Step("user add ada --role operator", STAFF, code=1),
    Step("user list", STAFF),
    Step("user disable nobody", STAFF, code=1),
    Step("user enable nobody", STAFF, code=1),
    Step("user recover nobody", STAFF, code=1),
    Step("script check {folder}/good.star", STAFF),
    Step("script check {folder}/bad.csv", STAFF, code=1),
    Step("script activate {folder}/bad.csv", STAFF, code=1),
    Step("script list", STAFF),
    Step("script rollback --to 7", STAFF, code=1),
    Step("script decisions", STAFF),
    Step("order show nonsense", code=1),
    Step("alarm list", STAFF),
    Step("audit list --role sm-dp --limit 5", STAFF),
)


# With eUICCs: one with an order that was done, and a profile that was disabled.
CARDS = (
    Step("euicc list"),
    Step("euicc show {eid}"),
    Step("euicc show {absent}", code=1),
    Step("euicc show 123", code=1),
    Step("euicc find iccid {iccid}"),
    Step("euicc find eid {absent}", code=1),
    Step("euicc info {eid}", STAFF, anew=True),
    Step("euicc info {absent}", STAFF, code=1),
    Step("euicc tag {eid} pilot", STAFF),
    Step("euicc tag {absent} pilot", STAFF, code=1),
    Step("euicc find tag pilot --limit 1"),
    Step("euicc differ {eid} segment=200", STAFF),
    Step("euicc differ {eid} nonsense=1", STAFF, code=1),
    Step("euicc type list", STAFF),
    Step("euicc type set 1.2.3 segment=200", STAFF),
    Step("euicc type set 1.2.3 nonsense=1", STAFF, code=1),
    Step("euicc import {folder}/eis.xml", STAFF),
    Step("euicc import {folder}/eis.xml --each --report {folder}/each.csv", STAFF),
    Step("euicc import {folder}/other.xml --each", STAFF, code=1),
    Step("euicc import {folder}/other.xml", STAFF, code=1),
    Step("euicc import {folder}/rows.csv", STAFF, code=1),
    Step("euicc history {eid}", here="--owner {owner}"),
    Step("euicc history {absent}", here="--owner {owner}", code=1),
    Step("euicc dry-run EnableProfile {eid} {iccid}"),
    Step("euicc explain {eid}"),
    Step("euicc explain {absent}", code=1),
    Step("euicc enable {eid} {iccid} --wait", before="euicc disable {eid} {iccid} --wait", anew=True),
    Step("euicc disable {eid} {iccid} --wait", before="euicc enable {eid} {iccid} --wait", anew=True),
    Step("euicc delete {eid} {iccid} --wait", before=POLICY, code=1, anew=True),
    Step("euicc audit {eid} --wait", anew=True),
    Step("euicc audit {eid} {iccid} {other} --wait", anew=True),
    Step("euicc set-fallback {eid} {other} --wait", anew=True, code=1),
    Step("euicc master-delete {eid} {iccid} --order {order} --wait", anew=True, code=1),
    Step("euicc rotate-keys {eid} scp80 --wait", STAFF, anew=True),
    Step("euicc addressing {eid} --sms +33612345678 --wait", STAFF, anew=True),
    Step("euicc addressing {eid} --wait", STAFF, code=1),
    Step("operation show {operation}"),
    Step("operation show nonsense", code=1),
    Step("operation list --eid {eid} --function audit --state done --since 2020-01-01"),
    Step("operation list --until 2020-01-01"),
    Step("operation list --since yesterday", code=1),
    Step("order create --eid {absent} --profile-type demo --wait", anew=True, code=1),
    Step("order create --eid {eid} --profile-type none", code=1),
    Step("order create --eid {eid} --profile-type demo --policy ENABLE:Maybe", code=1),
    Step("order create --eid 12 --profile-type demo", code=1),
    Step("order show {order}"),
    Step("order list"),
    Step("order cancel {order}", code=1),
    Step("order cancel nonsense", code=1),
    Step("order retry {order}", code=1),
    Step("order release {order}", code=1),
    Step("order refuse {order} --reason no", code=1),
    Step("order batch create spring --file {folder}/rows.csv --profile-type none", code=1),
    Step("order batch create other --file {folder}/bad-rows.csv --profile-type demo", code=1),
    Step("order batch show spring"),
    Step("order batch show none", code=1),
    Step("order batch start spring", code=1),
    Step("order batch pause spring", code=1),
    Step("order batch resume spring", code=1),
    Step("order batch cancel spring", code=1),
    Step("order batch limit spring 7"),
    Step("order batch list"),
    Step("order batch list --state done --kind rows --profile-type demo --since 2020-01-01"),
    Step("order batch list --asked-by nobody"),
    Step("order batch list --after none", code=1),
    Step("order batch rows spring"),
    Step("order batch rows none", code=1),
    Step("es2 get-eis {eid}", anew=True),
    Step("es2 audit {eid} --iccid {iccid} --iccid {other} --wait", anew=True, code=1),
    Step("es2 enable {eid} {iccid} --wait", before="euicc disable {eid} {iccid} --wait", anew=True),
    Step("es2 disable {eid} {iccid} --wait", before="euicc enable {eid} {iccid} --wait", anew=True),
    Step("es2 delete {eid} 8988000000000000008 --wait", code=1, anew=True),
    Step("es2 policy {eid} {iccid} --wait", anew=True),
    Step("es2 address {eid} {iccid} --msisdn 33612345678 --wait", anew=True),
    Step("es2 connectivity {eid} {iccid} --smsc +33612345678 --wait", anew=True),
    Step("es2 connectivity {eid} {iccid} --wait", code=1),
    Step("es2 show {call}"),
    Step("es2 show nonsense", code=1),
    Step("queue add {eid} --function audit --hold", anew=True),
    Step("queue add {absent} --function audit", code=1),
    Step("queue add {eid} --function enable", code=1),
    Step("queue list {eid}", anew=True),
    Step("queue show {eid} {entry}"),
    Step("queue show {eid} nonsense", code=1),
    Step("queue move {eid} {entry} --priority 7"),
    Step("queue hold {eid} {entry}"),
    Step("queue release {eid} {gone}", code=1),
    Step("queue cancel {eid} {gone}", code=1),
    Step("queue campaign list"),
    Step("queue campaign show none", code=1),
    Step("queue campaign pause none", code=1),
    Step("queue campaign resume none", code=1),
    Step("queue campaign cancel none", code=1),
)


@virtual
async def test_with_cards(tmp_path: Path) -> None:
    rest = RESTSettings(port=0, rate_per_key=0, rate_per_address=0)
    async with bench("sms", rest=rest, count=2, subscribers=40) as b:
        data = b.platform.data
        async with terminal(RestWorld(b.platform.installation), data, OWNER) as t:
            (tmp_path / "rows.csv").write_text("eid\n" + "\n".join(b.eids) + "\n")
            (tmp_path / "bad-rows.csv").write_text(f"eid\n{b.eid}\n{b.eid[:-1]}\n")
            delivery = (b.world.folder / "eis.xml").read_bytes()
            (tmp_path / "eis.xml").write_bytes(delivery)
            (tmp_path / "other.xml").write_bytes(delivery.replace(b.eid.encode(), ABSENT.encode()))
            order = await t.made("order", "create", "--eid", b.eid, "--profile-type", "demo", "--wait")
            card = await t.made("euicc", "show", b.eid)
            (other,) = (one["iccid"] for one in card["profiles"] if one["iccid"] != order["iccid"])
            called = await t.made("es2", "audit", b.eid, "--iccid", order["iccid"], "--wait")
            done = await t.made("euicc", "audit", b.eid, "--wait")
            rows = ["--file", str(tmp_path / "rows.csv"), "--profile-type", "demo"]
            await t.made("order", "batch", "create", "spring", *rows, "--wait")
            entry = await t.made("queue", "add", b.eid, "--function", "audit", "--hold")
            gone = await t.made("queue", "add", b.eid, "--function", "audit", "--hold")
            await t.made("queue", "cancel", b.eid, gone["entry"])
            names = {
                "eid": b.eid,
                "absent": ABSENT,
                "iccid": order["iccid"],
                "other": other,
                "folder": str(tmp_path),
                "order": order["order_id"],
                "call": called["call_id"],
                "operation": done["call_id"],
                "entry": entry["entry"],
                "gone": gone["entry"],
                "owner": OWNER,
            }
            differ: list[str] = []
            for step in CARDS:
                differ += await t.take(step, **names)
    assert not differ, "\n" + "\n".join(differ)


def test_every_command_that_is_carried_was_compared() -> None:
    carried = {words for words in commands() if reach_of(words.split()) is Reach.CARRIED}
    assert {step.command for step in (*DESK, *CARDS)} == carried


async def test_at_a_desk(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    text = subscriptions(ROWS, "both ways")
    (folder / "demo.der").write_bytes(demo_template())
    (folder / "bad.der").write_bytes(b"\x30\x80nonsense")
    (folder / "subs.csv").write_text(text)
    (folder / "bad.csv").write_text(text.replace("8988", "898X", 1))
    (folder / "bad.yaml").write_text("format: nonsense\n")
    (folder / "key.hex").write_text(bytes(range(16)).hex())
    (folder / "short.hex").write_text(bytes(range(15)).hex())
    (folder / "hook.hex").write_text(bytes(range(32)).hex())
    (folder / "sender.pgp").write_bytes(openpgp.public_of(sender()))
    (folder / "good.star").write_text('def decide(q):\n    return send("sms")\n')
    differ: list[str] = []
    data = tmp_path / "data"
    async with rest_world(data, gateway=True) as world, terminal(world, data, OWNER) as t:
        for words in (
            ["template", "import", str(folder / "demo.der"), "--name", "demo"],
            ["subscription", "import", str(folder / "subs.csv"), "--profile-type", "demo"],
            ["key", "import-operator", str(folder / "key.hex"), "--name", "hlr"],
            ["key", "make-openpgp", "--user-id", "Ferryman <dp@example.org>"],
            ["key", "import-openpgp", str(folder / "sender.pgp"), "--name", "hlr"],
            [*GENERATE.split()],
            ["user", "add", "ada", "--role", "operator"],
        ):
            code, said = await t.here(*words)
            assert code == 0, said
        (one,) = (one for one in (await t.made("subscription", "imports"))["imports"] if one["rows"] == ROWS)
        for step in DESK:
            differ += await t.take(step, folder=str(folder), import_id=one["import_id"])
    assert not differ, "\n" + "\n".join(differ)
