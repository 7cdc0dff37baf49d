"""Pairs of subject and reason code that each function of ES1 to ES7 gives, and the marker of tests that show them.

The table is written out from `sgp02-interfaces.md` 2.2 to 2.6, the paragraphs that begin with "Codes" (2.7 has
names only). `@yields("ES3.GetEIS", "8.1.1/3.9")`: this test makes the function answer with this pair. `Answers`
sees every answer that passes between two roles while such a test runs, and the test fails when the pair was not
among them. What the tests of a whole run have yielded is compared with the table (`conformance_page.py`).
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from ferryman.platform.bus import InProcessBus

ENABLE = ("8.1.1/3.9", "8.2.1/3.9", "8.2.1/3.4", "8.2.1/1.2", "8.2.2/3.8", "8.2.3/3.8", "8.4/4.2")
DISABLE = (*ENABLE, "8.1/3.8")
SMSR_UNKNOWN = "8.7/3.9"
AUDIT = ("8.1.1/3.9", "8.2/1.2", "8.6/1.2", "1.6/5.4")
RULES = ("8.1.1/3.9", "8.2.1/3.9", "8.2.1/3.4", "8.2.3/2.1", "8.2.1/1.2")
ADDRESS = ("8.1.1/3.9", "8.2.1/3.9", "8.2.6/1.2")
PAIRS: dict[str, tuple[str, ...]] = {
    "ES1.RegisterEIS": ("8.1.1/3.3", "8.5.2/6.3", "8.6/6.1"),
    "ES2.GetEIS": ("8.1.1/3.9", SMSR_UNKNOWN),
    "ES2.DownloadProfile": (
        *("8.1.1/3.9", "8.2.1/3.9", "8.2.1/1.2", "8.2.5/3.9", "8.2.5/1.2", "8.4/4.2", SMSR_UNKNOWN),
        *("8.2.1/2.1", "8.2.5/2.1"),
    ),
    "ES2.UpdatePolicyRules": ("8.1.1/3.9", "8.2.1/3.9", "8.2.1/3.4", "8.2.3/2.1", SMSR_UNKNOWN),
    "ES2.UpdateSubscriptionAddress": ("8.1.1/3.9", "8.2.1/3.9", SMSR_UNKNOWN),
    "ES2.EnableProfile": (*ENABLE, SMSR_UNKNOWN),
    "ES2.DisableProfile": (*DISABLE, SMSR_UNKNOWN),
    "ES2.DeleteProfile": (*(pair for pair in ENABLE if pair != "8.4/4.2"), SMSR_UNKNOWN),
    "ES3.GetEIS": ("8.1.1/3.9",),
    "ES3.AuditEIS": AUDIT,
    "ES3.CreateISDP": ("8.1.1/3.9", "8.2.1/3.3", "8.1/4.8", "8.4/4.2", "1.2/4.4"),
    "ES3.SendData": ("8.1.1/3.9", "8.3.1/3.9", "8.3.1/3.4", "8.3/4.2"),
    "ES3.ProfileDownloadCompleted": ("8.1.1/3.9", "8.2.1/3.9", "8.2.1/3.4", "8.2.3/2.1", "8.2.1/1.2"),
    "ES3.UpdatePolicyRules": RULES,
    "ES3.UpdateSubscriptionAddress": ADDRESS,
    "ES3.EnableProfile": ENABLE,
    "ES3.DisableProfile": DISABLE,
    "ES3.DeleteISDP": ("8.1.1/3.9", "8.2.1/3.9", "8.2.1/1.2", "8.2.2/3.8", "8.2.3/3.8", "8.4/4.2"),
    "ES3.UpdateConnectivityParameters": ("8.1.1/3.9", "8.2.1/3.9", "8.2.1/3.4", "8.3/4.2"),
    "ES4.GetEIS": ("8.1.1/3.9", "8.6/1.2"),
    "ES4.AuditEIS": AUDIT,
    "ES4.UpdatePolicyRules": RULES,
    "ES4.UpdateSubscriptionAddress": ADDRESS,
    "ES4.EnableProfile": ENABLE,
    "ES4.DisableProfile": DISABLE,
    "ES4.DeleteProfile": ENABLE,
    "ES4.PrepareSMSRChange": ("1.2/3",),
    "ES4.SMSRChange": ("8.1.1/3.9", "8.1/1.2", "8.4/4.2", "8.5.2/6.3"),
    "ES7.HandoverEUICC": ("8.1.1/3.9", "8.5.2/6.3"),
    "ES7.AuthenticateSMSR": ("8.1.1/3.9", "8.5.3/6.3"),
    "ES7.CreateAdditionalKeySet": ("8.1.1/3.9",),
}
PROPERTY = "yields"  # of a test report: [function, pair] of every marker whose pair came


def yields(function: str, *pairs: str) -> pytest.MarkDecorator:
    """The test makes `function` answer with each of these pairs."""
    unknown = [pair for pair in pairs if pair not in PAIRS[function]]
    if unknown or not pairs:
        raise ValueError(f"{function} has no pair {unknown}")
    return pytest.mark.yields(function, *pairs)


class _Status(msgspec.Struct):
    subject: str = ""
    reason: str = ""


class _Body(msgspec.Struct):
    type: str
    status: msgspec.Raw = msgspec.Raw(b"null")  # other messages have a status of another kind
    answer: msgspec.Raw = msgspec.Raw(b'""')  # of `CallView`: the response, encoded once more


class _Message(msgspec.Struct):
    body: _Body


_message: msgspec.json.Decoder[_Message] = msgspec.json.Decoder(_Message)
_status: msgspec.json.Decoder[_Status | None] = msgspec.json.Decoder(_Status | None)
_body: msgspec.json.Decoder[_Body] = msgspec.json.Decoder(_Body)


class Answers:
    """The answers to functions that have passed between two roles, as (function, pair)."""

    def __init__(self) -> None:
        self.listening = False
        self.seen: set[tuple[str, str]] = set()

    def install(self) -> None:
        """At the one place where they pass: the bus."""
        deliver, call = InProcessBus.deliver, InProcessBus.call
        bus: Any = InProcessBus

        async def delivering(this: InProcessBus, dest: str, raw: bytes) -> None:
            self.note(raw)
            await deliver(this, dest, raw)

        async def calling(this: InProcessBus, dest: str, caller: str, raw: bytes) -> bytes:
            answer = await call(this, dest, caller, raw)
            self.note(answer)
            return answer

        bus.deliver, bus.call = delivering, calling

    def note(self, raw: bytes) -> None:
        """One message."""
        if not self.listening:
            return
        body = _message.decode(raw).body
        if body.type == "CallView":
            response = base64.b64decode(msgspec.json.decode(body.answer))
            if not response:
                return
            body = _body.decode(response)
        if body.type.endswith("Response") and body.type.startswith("ES"):
            status, name = _status.decode(body.status), body.type.removesuffix("Response")
            if status is not None and status.subject:
                self.seen.add((f"{name[:3]}.{name[3:]}", f"{status.subject}/{status.reason}"))


def wanted(node: pytest.Item) -> list[tuple[str, str]]:
    """What the markers of a test say."""
    return [(mark.args[0], pair) for mark in node.iter_markers("yields") for pair in mark.args[1:]]


ANSWERS = Answers()
