"""What the operator of an SM-SR asks of a card beside ES3 and ES4, and the calls that start and show an operation.

SGP.02 v3.2 has these ES5 functions and gives them no interface of their own; MasterDelete (3.10) is asked for
"outside the specification". An operation is a function call: the same call identifier again finds the same one.
"""

from __future__ import annotations

import msgspec

from ferryman.contracts import es4
from ferryman.contracts.message import Body
from ferryman.contracts.status import ExecutionStatus

SCP80, SCP81 = "scp80", "scp81"
RUNNING, DONE = "running", "done"  # of operations


class MasterDelete(Body, frozen=True, kw_only=True, tag=True):
    """ES5.MasterDelete (SGP.02 3.10, 4.1.1.7) with the delete token of the ISD-P's SM-DP (16 octets).

    `sin`, `sdin`, `provider` and `token_id` are what the token covers (tags 42, 45, 5F20, 93).
    """

    eid: str
    iccid: str
    token: bytes
    sin: bytes
    sdin: bytes
    provider: bytes
    token_id: bytes = b"\x01"


class SetFallbackAttribute(Body, frozen=True, kw_only=True, tag=True):
    """ES5.SetFallbackAttribute (4.1.1.4): the attribute moves to this profile."""

    eid: str
    iccid: str


class UpdateSMSRAddressing(Body, frozen=True, kw_only=True, tag=True):
    """ES5.UpdateSMSRAddressingParameters (4.1.1.10); what is empty or 0 stays as it is on the card.

    `sms_address` is a number as `+33612345678`, `address` an IPv4 address.
    """

    eid: str
    sms_address: str = ""
    host: str = ""
    address: str = ""
    port: int = 0
    uri: str = ""


class RotateKeyset(Body, frozen=True, kw_only=True, tag=True):
    """New keys of the ISD-R by PUT KEY: `protocol` is "scp80" or "scp81"."""

    eid: str
    protocol: str


class OperationResponse(Body, frozen=True, kw_only=True, tag=True):
    """Result with the card's answer."""

    status: ExecutionStatus
    euicc_response: bytes = b""


type Operation = (
    MasterDelete
    | SetFallbackAttribute
    | UpdateSMSRAddressing
    | RotateKeyset
    | es4.ES4EnableProfile
    | es4.ES4DisableProfile
    | es4.ES4DeleteProfile
    | es4.ES4AuditEIS
    | es4.ES4UpdatePolicyRules
    | es4.ES4UpdateSubscriptionAddress
)

FUNCTIONS: tuple[type[Body], ...] = (MasterDelete, SetFallbackAttribute, UpdateSMSRAddressing, RotateKeyset)
OPERATIONS: tuple[type[Body], ...] = (
    *FUNCTIONS,
    es4.ES4EnableProfile,
    es4.ES4DisableProfile,
    es4.ES4DeleteProfile,
    es4.ES4AuditEIS,
    es4.ES4UpdatePolicyRules,
    es4.ES4UpdateSubscriptionAddress,
)


# The words for what an operation does, as requests and filters of people have them.
WORDS: dict[str, type[Body]] = {
    "enable": es4.ES4EnableProfile,
    "disable": es4.ES4DisableProfile,
    "delete": es4.ES4DeleteProfile,
    "audit": es4.ES4AuditEIS,
    "set-fallback": SetFallbackAttribute,
    "update-policy-rules": es4.ES4UpdatePolicyRules,
    "update-subscription-address": es4.ES4UpdateSubscriptionAddress,
    "master-delete": MasterDelete,
    "rotate-keys": RotateKeyset,
    "update-addressing": UpdateSMSRAddressing,
}


class StartOperation(Body, frozen=True, kw_only=True, tag=True):
    """Start an operation in the name of `owner` (Mno-id); `validity` in seconds."""

    owner: str
    operation: Operation
    validity: float = 86_400.0


class ShowOperation(Body, frozen=True, kw_only=True, tag=True):
    """One operation of this owner."""

    owner: str
    call_id: str


class OperationView(Body, frozen=True, kw_only=True, tag=True):
    """State of an operation: running or done, and then its result; `created` in seconds since 1970."""

    call_id: str
    name: str
    state: str
    status: ExecutionStatus | None = None
    eid: str = ""
    created: float = 0.0


class ListOperations(Body, frozen=True, kw_only=True, tag=True):
    """Operations of this owner, the newest first, a page behind the cursor `after`.

    `eid`, `function` (one of `WORDS`) and `state` (running or done) leave the others out, where they are given;
    `failed_only` what runs or succeeded. Begun at `since` or later and before `until`, in seconds since 1970;
    0: whenever.
    """

    owner: str
    after: str = ""
    limit: int = 100
    eid: str = ""
    function: str = ""
    state: str = ""
    failed_only: bool = False
    since: float = 0.0
    until: float = 0.0


class OperationPage(Body, frozen=True, kw_only=True, tag=True):
    """Operations and the cursor behind them, empty at the end: a page may have few, or none, with more to come."""

    operations: tuple[OperationView, ...]
    next: str = ""


class ShowJournal(Body, frozen=True, kw_only=True, tag=True):
    """What was said for one operation of this owner."""

    owner: str
    call_id: str


class JournalLine(msgspec.Struct, frozen=True, kw_only=True):
    """A message that came `in` or went `out`, at `at` (s since 1970); its kind, never its content."""

    at: float
    direction: str
    kind: str


class Journal(Body, frozen=True, kw_only=True, tag=True):
    """Messages in the order in which they were recorded."""

    lines: tuple[JournalLine, ...]


REQUESTS: tuple[type[Body], ...] = (StartOperation, ShowOperation, ListOperations, ShowJournal)
RESPONSES: tuple[type[Body], ...] = (OperationResponse,)
