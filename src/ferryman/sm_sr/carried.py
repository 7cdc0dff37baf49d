"""Profile data that we have carried for an SM-DP leave our tables when the card has answered (SGP.02 3.1.3).

They are ciphered for the card (SCP03t), yet they are the whole profile: who copies a database today may have
the keys one day. In the procedure of an ES3.SendData and in all that the journal keeps of it, each protected
segment is overwritten with its SHA-256, over and over to the same length: what was sent, and how much, can
still be proved, and a replay leads to the state that is stored. So it is with the SMS packets that the segments
went in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import select, update

from ferryman.codec import ota_script, tlv
from ferryman.errors import PeerError
from ferryman.platform.engine import Record
from ferryman.platform.mailbox import Tx
from ferryman.sm_sr.procedures import send_data
from ferryman.sm_sr.procedures.delivery import channel_id
from ferryman.sm_sr.schema import PLATFORM

KIND: Final = "send-data"  # of procedure
SEGMENT: Final = 0x86  # protected profile data (SGP.02 4.1.3.3)
FIRST_ATTEMPT: Final = "/1"  # end of an sms_id: the packet was made in this commit, not repeated from before

type Marks = Mapping[bytes, bytes]  # what is overwritten, and with what


def purge(tx: Tx, record: Record) -> bool:
    """Overwrite what an ended ES3.SendData has left; False when it carried no profile data."""
    segments = _segments(record.state)
    if not segments:
        return False
    j = PLATFORM.journal.c
    entries = select(j.seq, j.direction, j.kind, j.body)
    mine = tx.connection.execute(entries.where(j.procedure_id == record.id)).all()
    # The eUICC was this call's alone: what the channel has done since it came in, it did for it.
    began = min((row.seq for row in mine), default=0)
    since = (j.procedure_id == channel_id(record.eid), j.seq > began)
    channel = tx.connection.execute(entries.where(*since)).all()
    marks = _marks((*segments, *_packets(channel, min(map(len, segments)))))
    for row in (*mine, *channel):
        body = overwritten(row.body, marks)
        if body is not None:
            tx.connection.execute(update(PLATFORM.journal).where(j.seq == row.seq).values(body=body))
    p = PLATFORM.procedure
    stored = tx.connection.execute(select(p.c.state).where(p.c.id == record.id)).scalar_one()
    state = overwritten(stored, marks)
    if state is not None:
        tx.connection.execute(update(p).where(p.c.id == record.id).values(state=state))
    return True


def _segments(state: Any) -> tuple[bytes, ...]:
    if not isinstance(state, send_data.State):
        return ()
    try:
        items = [tlv.read(item, 0)[0] for item in ota_script.split_data(state.data)]
    except PeerError:
        return ()  # refused for that, and never sent
    return tuple(item.value for item in items if item.tag == SEGMENT and item.value)


def _packets(rows: Iterable[Any], least: int) -> tuple[bytes, ...]:
    """SMS packets that were made meanwhile and are long enough for a segment."""
    found = []
    for row in rows:
        if (row.direction, row.kind) == ("out", "SubmitSMS"):
            body = msgspec.json.decode(row.body)
            packet = base64.b64decode(body["packet"])
            if body["sms_id"].endswith(FIRST_ATTEMPT) and len(packet) > least:
                found.append(packet)
    return tuple(found)


def _marks(values: Iterable[bytes]) -> Marks:
    """The longest first: a packet is not looked for once something in it has been overwritten."""
    return {value: digest_to_length(value) for value in sorted(set(values), key=len, reverse=True)}


def digest_to_length(value: bytes) -> bytes:
    """SHA-256 of `value`, repeated to the length of `value`."""
    digest = hashlib.sha256(value).digest()
    return (digest * (len(value) // len(digest) + 1))[: len(value)]


def overwritten(body: bytes, marks: Marks) -> bytes | None:
    """A JSON document with each of `marks` overwritten in all its octet strings; None when it holds none."""
    least = min(map(len, marks))
    if len(body) < least:
        return None
    value = msgspec.json.decode(body)
    changed = _within(value, marks, least)
    return None if changed is None else msgspec.json.encode(changed)


def _within(value: Any, marks: Marks, least: int) -> Any:
    """The value overwritten, None when nothing in it was."""
    if isinstance(value, str):
        return _text(value, marks) if len(value) >= least else None
    if not isinstance(value, list | dict):
        return None
    found = False
    for name, item in enumerate(value) if isinstance(value, list) else list(value.items()):
        changed = _within(item, marks, least)
        if changed is not None:
            value[name] = changed
            found = True
    return value if found else None


def _text(value: str, marks: Marks) -> str | None:
    try:
        octets = base64.b64decode(value, validate=True)
    except binascii.Error:
        return None
    before = octets
    for secret, mark in marks.items():
        octets = octets.replace(secret, mark)
    return None if octets == before else base64.b64encode(octets).decode()
