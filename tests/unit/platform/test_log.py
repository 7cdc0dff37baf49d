"""What must not reach a log does not, whatever the caller passes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ferryman.platform.log import HIDDEN, configure, is_secret, mask

IMSI = "262019876543210"
EID = "89049032000000000000000000000011"
ICCID = "8949000000000000011F"


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def masked(**fields: object) -> dict[str, object]:
    return dict(mask(None, "info", dict(fields)))


@pytest.mark.parametrize(
    "name", ["ki", "OPC", "psk", "kic_value", "session_key", "keys", "s_enc", "password", "adm1_pin"]
)
def test_fields_named_like_secrets_are_hidden(name: str) -> None:
    assert is_secret(name)
    assert masked(**{name: "00112233"}) == {name: HIDDEN}
    assert masked(outer={name: "00112233"}) == {"outer": {name: HIDDEN}}


@pytest.mark.parametrize(
    "name", ["key_version", "key_id", "eid", "public_key", "operation", "window", "machine", "option"]
)
def test_other_fields_are_shown(name: str) -> None:
    assert not is_secret(name)
    assert masked(**{name: "17"}) == {name: "17"}


def test_bytes_are_hidden_wherever_they_are() -> None:
    assert masked(a=b"x", b=[bytearray(b"x"), "y"], c={"d": memoryview(b"x")}) == {
        "a": HIDDEN, "b": [HIDDEN, "y"], "c": {"d": HIDDEN},
    }  # fmt: skip


def test_an_imsi_keeps_its_first_five_digits() -> None:
    assert masked(event=f"attach of {IMSI} failed", imsi=IMSI, number=int(IMSI), each=[IMSI]) == {
        "event": "attach of 26201* failed", "imsi": "26201*", "number": "26201*", "each": ["26201*"],
    }  # fmt: skip


def test_the_shortest_imsi_as_a_number() -> None:
    assert masked(number=26201000000001, less=-26201000000001, short=2620100000000) == {
        "number": "26201*", "less": -26201000000001, "short": 2620100000000,
    }  # fmt: skip


def test_longer_identifiers_and_plain_numbers_stay() -> None:
    fields = {
        "eid": EID,
        "iccid": ICCID,
        "count": 12,
        "ok": True,
        "nothing": None,
        "seconds": 1.5,
        "aid": "A0000005591010",
    }
    assert masked(**fields) == fields | {"aid": "A0000005591010"}


def test_objects_are_shown_by_their_text_and_masked() -> None:
    class Thing:
        def __str__(self) -> str:
            return f"Thing {IMSI}"

    assert masked(thing=Thing()) == {"thing": "Thing 26201*"}


@pytest.mark.parametrize("form", ["json", "console"])
def test_configured_logs_mask_tracebacks_too(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", form)
    log = structlog.get_logger("x")
    log.debug("not shown")
    try:
        raise ValueError(f"no such subscriber {IMSI}")
    except ValueError as problem:
        log.error("failed for %s", IMSI, exc_info=problem, psk="00112233445566778899")
    out, err = capsys.readouterr()
    assert out == ""
    assert "not shown" not in err
    assert IMSI not in err
    assert "26201*" in err
    assert "0011223344" not in err
    assert "Traceback" in err
    if form == "json":
        line = json.loads(err)
        assert (line["level"], line["psk"], line["event"]) == ("error", HIDDEN, "failed for 26201*")


def test_the_standard_library_s_logs_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logging.getLogger("asyncio").error("task of %s", IMSI)
    assert capsys.readouterr().err == "ERROR asyncio: task of 26201*\n"


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_stream_that_is_gone_stops_no_work(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    closed = io.StringIO()
    closed.close()
    for stream in (closed, Broken(), None):
        configure(form=form)
        monkeypatch.setattr("sys.stderr", stream)
        structlog.get_logger().error("nobody reads this")
        logging.getLogger("library").error("nor this")


def test_a_line_goes_to_the_stream_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(form="json")
    now = io.StringIO()
    monkeypatch.setattr("sys.stderr", now)
    structlog.get_logger().error("after a rotation")
    assert json.loads(now.getvalue())["event"] == "after a rotation"


@pytest.mark.parametrize("text", ["half \ud800 a pair", "ä\n\u2028\x1b[0m"])
def test_a_line_of_json_is_one_line_that_says_what_was_said(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    structlog.get_logger().info("seen", path=text, number=10**30, digits="262011234567890", short="1" * 13)
    line = capsys.readouterr().err
    shown = json.loads(line)
    assert line.count("\n") == 1
    assert (shown["path"], shown["number"], shown["event"], shown["level"]) == (text, 10**30, "seen", "info")
    assert (shown["digits"], shown["short"]) == ("26201*", "1" * 13)
