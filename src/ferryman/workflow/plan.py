"""What may be decided for a command: send it so, wait, or give up; and the check of what a script returned.

Transports by name: `sms` (SCP80), `https-push` (SCP81, the card is called by a trigger SMS), `https-pull`
(SCP81, the
card comes by itself).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any

import msgspec

from ferryman.errors import InputError

MAX_ATTEMPTS = 50  # copies of one packet or trigger: more only load the SMSC
MAX_SECONDS = 30 * 86_400.0  # the longest wait; a card that is silent for a month is a case for people
MIN_TIMEOUT = 1.0  # s; less than a radio channel needs makes every answer a late one
MAX_SPACING = 10.0
MAX_TEXT = 200  # characters of a reason
MAX_HOST = 253  # characters of a DNS name


class Transport(StrEnum):
    """How a command reaches the card."""

    SMS = "sms"
    HTTPS_PUSH = "https-push"
    HTTPS_PULL = "https-pull"


HTTPS = frozenset({Transport.HTTPS_PUSH, Transport.HTTPS_PULL})


class Packaging(StrEnum):
    """Form of the command script (TS 102 226 5.2)."""

    COMPACT = "compact"  # one C-APDU without its tag; SMS only
    DEFINITE = "definite"  # AA, definite length
    INDEFINITE = "indefinite"  # AE 80


class Trigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the session that a trigger asks for (GP Amendment B 3.3); empty = as the settings say."""

    host: str = ""
    address: str = ""
    port: int = 0
    uri: str = ""
    apn: str = ""
    retry_count: int | None = None
    retry_delay: int | None = None  # s


class Send(msgspec.Struct, frozen=True, kw_only=True, tag="send", tag_field="do", forbid_unknown_fields=True):
    """Send it. `attempts` packets (or triggers), `answer_timeout` seconds for each, `spacing` times longer each
    time.

    0 stands for the value of the settings. For `https-pull`, `answer_timeout` is how long the card's own visit
    is waited
    for before the question is asked again; 0 = as long as the operation lives.
    """

    transport: Transport
    attempts: int = 0
    answer_timeout: float = 0.0
    spacing: float = 0.0
    packaging: Packaging | None = None
    trigger: Trigger | None = None
    why: str = ""


class Wait(msgspec.Struct, frozen=True, kw_only=True, tag="wait", tag_field="do", forbid_unknown_fields=True):
    """Do nothing for so many seconds, then ask again."""

    seconds: float
    why: str = ""


class GiveUp(msgspec.Struct, frozen=True, kw_only=True, tag="give_up", tag_field="do", forbid_unknown_fields=True):
    """The operation ends with what is known."""

    why: str = ""


type Plan = Send | Wait | GiveUp


def check(raw: Any, *, installed: Collection[str]) -> Plan:
    """The plan that a script returned as plain values; raises InputError that names the field and the rule."""
    try:
        plan: Plan = msgspec.convert(raw, Send | Wait | GiveUp)
    except msgspec.ValidationError as problem:
        raise InputError("plan", str(problem)) from None
    if len(plan.why) > MAX_TEXT:
        raise InputError("plan.why", f"has more than {MAX_TEXT} characters")
    match plan:
        case Send():
            _check_send(plan, installed)
        case Wait(seconds=seconds):
            _within("plan.seconds", seconds, MIN_TIMEOUT, MAX_SECONDS)
        case GiveUp():
            pass
    return plan


def _check_send(plan: Send, installed: Collection[str]) -> None:
    if plan.transport not in installed:
        raise InputError(
            "plan.transport", f"{plan.transport} is not installed (installed: {', '.join(installed)})"
        )
    if plan.attempts:
        _within("plan.attempts", plan.attempts, 1, MAX_ATTEMPTS)
    if plan.answer_timeout:
        _within("plan.answer_timeout", plan.answer_timeout, MIN_TIMEOUT, MAX_SECONDS)
    if plan.spacing:
        _within("plan.spacing", plan.spacing, 1, MAX_SPACING)
    if plan.packaging is Packaging.COMPACT and plan.transport in HTTPS:
        raise InputError("plan.packaging", "compact is for sms only (SGP.02 2.4.4.2: expanded over HTTPS)")
    if plan.trigger is not None:
        if plan.transport is not Transport.HTTPS_PUSH:
            raise InputError("plan.trigger", f"{plan.transport} has no trigger")
        _check_trigger(plan.trigger)


def _check_trigger(trigger: Trigger) -> None:
    if len(trigger.host) > MAX_HOST or not trigger.host.isprintable():
        raise InputError("plan.trigger.host", f"must be a name of at most {MAX_HOST} characters")
    if trigger.port:
        _within("plan.trigger.port", trigger.port, 1, 0xFFFF)
    if trigger.uri and not trigger.uri.startswith("/"):
        raise InputError("plan.trigger.uri", "must begin with /")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(name, f"must be from {low:g} to {high:g}")
