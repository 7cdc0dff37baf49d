"""GetEIS by hand: two prepared queries of `sqlite3` and one serialisation, nothing else."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

CARD = (
    "SELECT eid, eum_id, platform_type, platform_version, rpv, http_support, cattp_support, remaining_memory,"
    " available_memory, smsr_id, signed_info, signature, last_audit FROM euicc WHERE eid = ?"
)
PROFILES = (
    "SELECT iccid, aid, owner, state, fallback, imsi, msisdn, smdp_id, profile_type, allocated_memory, pol2"
    " FROM isdp WHERE eid = ? AND owner = ? ORDER BY aid"
)
_encoder = msgspec.json.Encoder()


class Bare:
    """One connection."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)

    def close(self) -> None:
        """End it."""
        self._connection.close()

    def get_eis(self, eid: str, owner: str) -> bytes:
        """The body of the response, as JSON."""
        card = self._connection.execute(CARD, (eid,)).fetchone()
        profiles = [
            {
                "iccid": row[0],
                "isdp_aid": _text(row[1]),
                "owner": row[2],
                "state": row[3],
                "fallback": bool(row[4]),
                "imsi": row[5],
                "msisdn": row[6],
                "smdp_id": row[7],
                "profile_type": row[8],
                "allocated_memory": row[9],
                "free_memory": None,
                "pol2": msgspec.json.decode(row[10]),
            }
            for row in self._connection.execute(PROFILES, (eid, owner))
        ]
        eis: dict[str, Any] = {
            "eid": card[0],
            "eum_id": card[1],
            "platform_type": card[2],
            "platform_version": card[3],
            "remote_provisioning_version": card[4],
            "http_support": bool(card[5]),
            "cattp_support": bool(card[6]),
            "remaining_memory": card[7],
            "available_memory": card[8],
            "smsr_id": card[9],
            "profiles": profiles,
            "signed_info": _text(card[10]),
            "signature": _text(card[11]),
            "last_audit": card[12],
            "isdr": None,
            "audit_trail": None,
            "properties": [],
        }
        status = {
            "status": "EXECUTED_SUCCESS",
            "subject": "",
            "reason": "",
            "identifier": "",
            "message": "",
            "acceptable_validity": 0.0,
        }
        return _encoder.encode({"type": "ES4GetEISResponse", "status": status, "eis": eis})


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
