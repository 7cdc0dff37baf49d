"""`ferryman script`: check against what is installed, explain and test on recorded questions, versions."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from cli_run import ferryman, one_sentence
from workflow_questions import example, question

PULL_ONLY = '[sm_sr]\ntransport = "https-pull"\n[https]\nhost = "127.0.0.1"\nport = 8443\n'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An installation without an SMSC."""
    (tmp_path / "ferryman.toml").write_text(PULL_ONLY)
    for name in ("by_size", "patient"):
        (tmp_path / f"{name}.star").write_text(example(name))
    return tmp_path


def test_check_knows_what_is_installed(data: Path, tmp_path: Path) -> None:
    refused = ferryman("script", "check", data / "by_size.star", "--data", data)
    assert refused.code == 1
    assert "error: transport: sms is not installed (installed: https-pull)" in refused.out
    assert refused.out.endswith("cannot be activated\n")
    assert ferryman("script", "check", data / "patient.star", "--data", data).code == 0
    anywhere = ferryman("script", "check", data / "by_size.star", "--data", tmp_path / "none", "--json")
    assert (anywhere.code, anywhere.json) == (0, {"ok": True, "findings": []})
    (data / "fax.star").write_text('def decide(q):\n    return send("fax", why = q["moment"])\n')
    fax = ferryman("script", "check", data / "fax.star", "--data", tmp_path / "none", "--json")
    assert (fax.code, [(one["line"], one["rule"]) for one in fax.json["findings"]]) == (1, [(2, "transport")])


def test_explain_and_test_run_it_on_recorded_questions(data: Path) -> None:
    asked = msgspec.to_builtins(question(op_size=40))
    (data / "question.json").write_text(json.dumps(asked))
    shown = ferryman("script", "explain", data / "by_size.star", "--context", data / "question.json")
    assert "sms" in shown.out
    assert "40 octets" in shown.out
    assert "built in: " in shown.out
    cases = [
        {"question": asked, "expect": {"transport": "sms"}, "name": "small"},
        {"question": asked, "expect": {"transport": "https-push"}, "name": "wrong"},
    ]
    (data / "cases.json").write_text(json.dumps(cases))
    tried = ferryman("script", "test", data / "by_size.star", data / "cases.json", "--json")
    assert (tried.code, [one["ok"] for one in tried.json["cases"]]) == (1, [True, False])


def test_versions(data: Path) -> None:
    where = ("--data", data)
    for number in (1, 2):
        (data / "own.star").write_text(
            f'def decide(q):\n    return send("https-pull", why = "{number}" + q["moment"])\n'
        )
        assert ferryman("script", "activate", data / "own.star", *where).code == 0
    assert ferryman("script", "rollback", *where).code == 0
    told = ferryman("script", "list", "--json", *where).json["scripts"]
    assert [(one["version"], one["active"]) for one in told] == [(2, False), (1, True)]
    assert "no script of version 9" in one_sentence(ferryman("script", "rollback", "--to", "9", *where))
