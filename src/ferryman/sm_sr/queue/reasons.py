"""Why an entry is where it is, in words for its owner (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ferryman.contracts.queue import CampaignState, EntryState


@dataclass(frozen=True, slots=True)
class Waiting:
    """What decides about an entry; `not_before` in s since 1970, `campaign` the name of its campaign or empty."""

    state: EntryState
    not_before: float
    pulled: bool
    campaign: str
    campaign_state: str


def reason_of(entry: Waiting, now: float) -> str:
    """The sentence; empty for an entry that has ended well: then nothing needs a reason."""
    match entry.state:
        case EntryState.HELD:
            return "held until it is released"
        case EntryState.QUEUED:
            return _queued(entry, now)
        case EntryState.SENT:
            return "begun; the eUICC has not been given a command of it yet"
        case EntryState.DELIVERED:
            return "the eUICC was given a command of it and has not answered yet"
        case _:
            return ""


def _queued(entry: Waiting, now: float) -> str:
    if entry.campaign_state in (CampaignState.PAUSED, CampaignState.CANCELLED):
        return f"the campaign {entry.campaign} is {entry.campaign_state}"
    if entry.not_before > now:
        return f"not before {datetime.fromtimestamp(entry.not_before, UTC).isoformat(timespec='seconds')}"
    if entry.pulled:
        return "waits for the eUICC to open a session, and for what goes before it"
    return "waits for its turn"
