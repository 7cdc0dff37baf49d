"""`ferryman peer`: records of an installation that does not run, and tests of peers that answer or do not."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from cli_run import ferryman, one_sentence
from ferryman.cli.control import ControlClient
from ferryman.cli.operator import Operator
from ferryman.cli.settings import load
from ferryman.cli.up import running
from ferryman.contracts import peers
from ferryman.contracts.peers import Peer, PeerKind
from parties import Party

STEPS = ("connection", "TLS", "addressing", "call")


@pytest.fixture
def data(tmp_path: Path, parties: dict[str, Party]) -> Path:
    ours = parties["ours"]
    for file in (ours.certificate_file, ours.key_file):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "ferryman.toml").write_text(
        '[soap]\nhost = "127.0.0.1"\nport = 0\ncertificate_file = "ours.pem"\nkey_file = "ours.key"\n'
    )
    return tmp_path


def test_add_list_show_remove(data: Path, parties: dict[str, Party]) -> None:
    words = (
        "--kind",
        "operator",
        "--oid",
        "1.3.6.1.4.1.99999.30",
        "--certificate",
        parties["mno"].certificate_file,
    )
    added = ferryman(
        "peer", "add", "mno", *words, "--endpoint", "es4=https://mno.example/es4", "--right", "ES4.GetEIS",
        "--data", data,
    )  # fmt: skip
    assert added.code == 0, added.err
    listed = json.loads(ferryman("peer", "list", "--data", data, "--json").out)
    assert [one["name"] for one in listed["peers"]] == ["mno"]
    shown = json.loads(ferryman("peer", "show", "mno", "--data", data, "--json").out)
    assert shown["rights"] == ["ES4.GetEIS"]
    assert shown["endpoints"] == {"ES4": "https://mno.example/es4"}
    assert len(shown["certificates"][0]) == 64
    text = ferryman("peer", "show", "mno", "--data", data).out
    assert "ES4 https://mno.example/es4" in text
    assert "mno" in ferryman("peer", "list", "--data", data).out
    assert ferryman("peer", "remove", "mno", "--data", data).code == 0
    assert json.loads(ferryman("peer", "list", "--data", data, "--json").out) == {"peers": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "x", "--kind", "king", "--oid", "1.2"), "--kind"),
        (("add", "x", "--kind", "eum", "--oid", "1.2"), "certificate"),
        (("add", "x", "--kind", "eum", "--oid", "1.2", "--endpoint", "ES1"), "--endpoint"),
        (("add", "x", "--kind", "eum", "--oid", "1.2", "--certificate", "KEY"), "private key"),
        (("add", "x", "--kind", "eum", "--oid", "1.2", "--right", "ES4.GetEIS"), "right"),
        (("show", "nobody"), "nobody"),
        (("remove", "nobody"), "nobody"),
        (("test", "nobody"), "nobody"),
    ],
)
def test_what_is_wrong_is_named(data: Path, parties: dict[str, Party], words: tuple[str, ...], said: str) -> None:
    named = [str(parties["mno"].key_file) if word == "KEY" else word for word in words]
    result = ferryman("peer", *named, "--data", data)
    assert result.code == 1
    assert said in one_sentence(result)


async def test_two_installations_know_each_other(data: Path, parties: dict[str, Party], tmp_path: Path) -> None:
    """Each is the other's SM-SR: the test of a peer goes over TLS into the other's SM-SR and back."""
    other = tmp_path / "other"
    other.mkdir()
    theirs = parties["sr2"]
    for file in (theirs.certificate_file, theirs.key_file):
        (other / file.name).write_bytes(file.read_bytes())
    (other / "ferryman.toml").write_text(
        '[soap]\nhost = "127.0.0.1"\nport = 0\ncertificate_file = "sr2.pem"\nkey_file = "sr2.key"\n'
        '[sm_sr]\nsmsr_id = "1.3.6.1.4.1.99999.21"\n[sm_dp]\nsmdp_id = "1.3.6.1.4.1.99999.11"\n'
    )
    async with running(load(data)) as (_, mine), running(load(other)) as (_, yours):
        assert mine["soap"].startswith("https://127.0.0.1:")
        a, b = Operator(ControlClient(data), "1.2"), Operator(ControlClient(other), "1.2")
        there = Peer(
            name="b",
            kind=PeerKind.SM_SR,
            oid="1.3.6.1.4.1.99999.21",
            certificates=(theirs.pem,),
            endpoints={"ES3": f"{yours['soap']}/es3", "ES7": f"{yours['soap']}/es7"},
        )
        await a.gateway(peers.PutPeer(peer=there))
        before = await a.gateway(peers.TestPeer(name="b"))
        assert isinstance(before, peers.PeerTested)
        assert not before.steps[-1].ok  # B does not know us yet
        for kind, oid in ((PeerKind.SM_DP, "1.3.6.1.4.1.99999.10"), (PeerKind.SM_SR, "1.3.6.1.4.1.99999.20")):
            here = Peer(name=f"a-{kind}", kind=kind, oid=oid, certificates=(parties["ours"].pem,))
            await b.gateway(peers.PutPeer(peer=here))
        after = await a.gateway(peers.TestPeer(name="b"))
        assert isinstance(after, peers.PeerTested)
        assert [step.name for step in after.steps] == [
            f"{interface} {step}" for interface in ("ES3", "ES7") for step in STEPS
        ]
        assert all(step.ok for step in after.steps), after.steps
        wrong = msgspec.structs.replace(there, certificates=(parties["stranger"].pem,))
        await a.gateway(peers.PutPeer(peer=wrong))
        found = await a.gateway(peers.TestPeer(name="b"))
        assert isinstance(found, peers.PeerTested)
        assert (found.steps[1].name, found.steps[1].ok) == ("ES3 TLS", False)
        assert "certificate" in found.steps[1].detail
        gone = msgspec.structs.replace(there, endpoints={"ES3": "https://127.0.0.1:9/es3"})
        await a.gateway(peers.PutPeer(peer=gone))
        found = await a.gateway(peers.TestPeer(name="b"))
        assert isinstance(found, peers.PeerTested)
        assert not found.steps[0].ok
