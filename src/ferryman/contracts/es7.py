"""ES7, SM-SR to SM-SR: SGP.02 5.6."""

from __future__ import annotations

from ferryman.contracts.eis import EIS
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus


class ES7HandoverEUICC(Body, frozen=True, kw_only=True, tag=True):
    """ES7.HandoverEUICC (5.6.2), current to new SM-SR: the whole EIS without the keys of the ISD-R."""

    eis: EIS


class ES7HandoverEUICCResponse(Body, frozen=True, kw_only=True, tag=True):
    """Sent when the new SM-SR manages the eUICC, or will not."""

    status: ExecutionStatus


class ES7AuthenticateSMSR(Body, frozen=True, kw_only=True, tag=True):
    """ES7.AuthenticateSMSR (5.6.3), new to current SM-SR; `certificate` is the 7F21 TLV of CERT.SR.ECDSA."""

    eid: str
    certificate: bytes


class ES7AuthenticateSMSRResponse(Body, frozen=True, kw_only=True, tag=True):
    """The challenge of the eUICC, 16 or 32 octets, present on success."""

    status: ExecutionStatus
    random_challenge: bytes = b""


class ES7CreateAdditionalKeySet(Body, frozen=True, kw_only=True, tag=True):
    """ES7.CreateAdditionalKeySet (5.6.1), new to current SM-SR.

    `ephemeral_public_key` is 04||X||Y, `signature` r||s; `key_length` as ECC-256.
    """

    eid: str
    key_version: int
    initial_counter: int
    key_length: str
    scenario: int
    host_id: bytes
    ephemeral_public_key: bytes
    signature: bytes


class ES7CreateAdditionalKeySetResponse(Body, frozen=True, kw_only=True, tag=True):
    """Derivation random (empty when not asked for) and receipt, present on success."""

    status: ExecutionStatus
    derivation_random: bytes = b""
    receipt: bytes = b""


class ES7HandleSMSRChangeNotification(Body, frozen=True, kw_only=True, tag=True):
    """In the schema and in no procedure (3.8 tells owners on ES4 or ES3): taken, recorded, never sent."""

    eis: EIS
    completed: float


REQUESTS: tuple[type[Body], ...] = (ES7HandoverEUICC, ES7AuthenticateSMSR, ES7CreateAdditionalKeySet)
RESPONSES: tuple[type[Body], ...] = (
    ES7HandoverEUICCResponse,
    ES7AuthenticateSMSRResponse,
    ES7CreateAdditionalKeySetResponse,
)
NOTIFICATIONS: tuple[type[Body], ...] = (ES7HandleSMSRChangeNotification,)
