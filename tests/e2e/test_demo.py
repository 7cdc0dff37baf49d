"""`ferryman demo` as a newcomer runs it: real processes, real sockets, real time."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from shared_data import shared


def demo(*arguments: str) -> tuple[dict[str, list[dict[str, object]]], str]:
    """Run it with --json: the one object on stdout, and the progress on stderr."""
    command = [sys.executable, "-m", "ferryman.cli.main", "demo", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), done.stderr


def all_good(euiccs: list[dict[str, object]], count: int, transport: str) -> None:
    assert len(euiccs) == count
    assert len({euicc["eid"] for euicc in euiccs}) == count
    assert len({euicc["iccid"] for euicc in euiccs}) == count
    for euicc in euiccs:
        assert euicc["state"] == "ENABLED", euicc
        assert euicc["authenticate"] is True, euicc
        assert euicc["transport"] == transport
        assert re.fullmatch(r"A0000005591010FFFFFFFF8900[0-9A-F]{4}00", str(euicc["isdp_aid"]))
        assert isinstance(euicc["sms"], int)
        assert euicc["sms"] > 0
        sessions = euicc["https_sessions"]
        assert isinstance(sessions, int)
        assert (sessions > 0) == (transport == "https"), euicc
        assert set(euicc) >= {"eid", "iccid", "isdp_aid", "state", "transport", "profile_bytes", "sms", "seconds"}


@pytest.mark.timeout(180)
def test_orders_in_soap() -> None:
    result, progress = demo("--via", "soap", "--fleet", "1")
    all_good(result["euiccs"], 1, "https")
    assert progress.count("ES2.DownloadProfile taken, HTTP 202") == 1
    assert progress.count("ES2.DownloadProfile answered: EXECUTED_SUCCESS") == 1


@pytest.mark.timeout(180)
@pytest.mark.parametrize("transport", ["https", "sms"])
def test_every_euicc_is_enabled_and_authenticated(transport: str) -> None:
    result, progress = demo("--transport", transport, "--fleet", "2")
    all_good(result["euiccs"], 2, transport)
    assert {euicc["profile_bytes"] for euicc in result["euiccs"]} <= set(range(1, 2001)), (
        "the demo template is small"
    )
    assert "CreateISDP" in progress
    assert "EnableProfile" in progress


@pytest.mark.timeout(180)
def test_a_fleet_of_twenty() -> None:
    result, _ = demo("--fleet", "20", "--seed", "fleet")
    all_good(result["euiccs"], 20, "https")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("transport", ["https", "sms"])
def test_a_ts48_package_as_template(transport: str) -> None:
    template = shared("data", "ts48", "TS48v7_SAIP2.3_BERTLV_SUCI.der")
    result, _ = demo("--transport", transport, "--fleet", "1", "--template", str(template))
    all_good(result["euiccs"], 1, transport)
    size = result["euiccs"][0]["profile_bytes"]
    assert isinstance(size, int)
    assert abs(size - template.stat().st_size) < 200


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--transport", "pigeon"), 1),
        (("--fleet", "0"), 1),
        (("--template", "nowhere.der"), 1),
        (("--flet", "2"), 2),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments: tuple[str, ...], status: int) -> None:
    command = [sys.executable, "-m", "ferryman.cli.main", "demo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.startswith("ferryman: ")
    assert done.stderr.count("\n") == 1
