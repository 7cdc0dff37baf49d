"""`ferryman certificate eum|crl|list|drop`: card makers' certificates and revocation lists, without a platform."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from cli_run import ferryman, one_sentence
from eum_papers import DAY, crl, eum_of
from premises import make_batch


def test_told_shown_and_dropped(tmp_path: Path) -> None:
    folder, data = make_batch(tmp_path / "batch"), tmp_path / "data"
    (tmp_path / "eum.pem").write_bytes(eum_of(folder).public_bytes(Encoding.PEM))
    issued = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - DAY  # commands have the machine's clock
    (tmp_path / "ci.crl").write_bytes(crl(folder, 7, 8, at=issued))

    early = ferryman("certificate", "crl", tmp_path / "ci.crl", "--data", data)
    assert early.code == 1
    assert "trust the CI first" in one_sentence(early)
    for name, file in (("trust", folder / "ci.pem"), ("eum", tmp_path / "eum.pem"), ("crl", tmp_path / "ci.crl")):
        done = ferryman("certificate", name, file, "--data", data)
        assert done.code == 0, done.err
    shown = json.loads(ferryman("certificate", "list", "--data", data, "--json").out)["certificates"]
    assert [one["kind"] for one in shown] == ["ci", "eum", "revocation-list"]
    listed = shown[-1]
    assert (listed["revoked"], listed["begin"]) == (2, issued.timestamp())
    lines = ferryman("certificate", "list", "--data", data).out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["CI", "EUM", "revocation list"]
    assert shown[1]["names"][0] in lines[1]
    assert "2 revoked" in lines[2]
    assert ferryman("certificate", "drop", listed["fingerprint"], "--data", data).code == 0
    again = ferryman("certificate", "drop", listed["fingerprint"], "--data", data)
    assert again.code == 1
    assert "no revocation list" in one_sentence(again)
