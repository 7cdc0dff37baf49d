"""What the procedures of the SM-DP may do, as tables; the test suite holds the step functions to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ferryman.platform.transitions import START, Table, read
from ferryman.sm_dp.records import FinishOrder, Progress

_UNSAID = (Progress,)  # what the order shows follows from the state


def _signal(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


def _change(value: Any) -> str:
    if isinstance(value, _UNSAID):
        return ""
    return "order ends" if isinstance(value, FinishOrder) else type(value).__name__


def _phase(state: Any) -> str:
    return str(state.phase) or START


def _table(name: str, kinds: tuple[str, ...], text: str) -> Table:
    return Table(name, kinds, read(text), _phase, _signal, _signal, _change)


RELAY = _table(
    "Functions of ES2 that the SM-SR carries out",
    ("relay",),
    """
    start | begin | whose the profile is | looking | ES3GetEIS
    looking | ES3GetEISResponse success | GetEIS: his own profiles | end | reply success
    looking | ES3GetEISResponse success | AuditEIS | calling | ES3AuditEIS
    looking | ES3GetEISResponse success | EnableProfile | calling | ES3EnableProfile
    looking | ES3GetEISResponse success | DisableProfile | calling | ES3DisableProfile
    looking | ES3GetEISResponse success | DeleteProfile | calling | ES3DeleteISDP
    looking | ES3GetEISResponse success | SetFallBackAttribute | calling | ES3SetFallBackAttribute
    looking | ES3GetEISResponse success | UpdatePolicyRules | calling | ES3UpdatePolicyRules
    looking | ES3GetEISResponse success | UpdateSubscriptionAddress | calling | ES3UpdateSubscriptionAddress
    looking | ES3GetEISResponse success | connectivity parameters: a session with the ISD-P | calling | ES3SendData
    calling | ES3SendDataResponse success | the card's challenge | = | ask ProtectConnectivity
    calling | crypto connectivity-protect | | = | ES3UpdateConnectivityParameters
    calling | ES3UpdateConnectivityParametersResponse success | | = | ask ConfirmConnectivity
    calling | crypto connectivity-confirm | the card has said it itself | end | reply success
    calling | ES3SendDataResponse failed, ES3UpdateConnectivityParametersResponse failed | an answer or the session was lost: another one | = | ES3SendData
    calling | ES3SendDataResponse success, ES3SendDataResponse failed, ES3UpdateConnectivityParametersResponse success, ES3UpdateConnectivityParametersResponse failed | refused, unreadable, or too often | end | reply failed
    calling | ES3SendDataResponse expired, ES3UpdateConnectivityParametersResponse expired | | end | reply expired
    calling | crypto connectivity-protect refused, crypto connectivity-confirm refused | not the card's answer | end | reply failed
    looking | ES3GetEISResponse failed, ES3GetEISResponse success | no such profile, or somebody else's | end | reply failed
    calling | ES3AuditEISResponse success | the EIS of another eUICC | end | reply failed
    calling | ES3AuditEISResponse success, ES3SetFallBackAttributeResponse success, ES3EnableProfileResponse success, ES3DisableProfileResponse success, ES3UpdatePolicyRulesResponse success, ES3UpdateSubscriptionAddressResponse success, ES3GetEISResponse success | also under a wrong name | end | reply success
    calling | ES3EnableProfileResponse warning, ES3SetFallBackAttributeResponse warning, ES3DisableProfileResponse warning, ES3UpdatePolicyRulesResponse warning, ES3UpdateSubscriptionAddressResponse warning | | end | reply warning
    calling | ES3AuditEISResponse failed, ES3SetFallBackAttributeResponse failed, ES3EnableProfileResponse failed, ES3DisableProfileResponse failed, ES3DeleteISDPResponse failed, ES3UpdatePolicyRulesResponse failed, ES3UpdateSubscriptionAddressResponse failed | | end | reply failed
    calling | ES3DeleteISDPResponse success, ES3DeleteISDPResponse warning | its keys are of no more use | forgetting | ProfileGone, ask DestroyKeys
    forgetting | crypto destroy | as the SM-SR said | end | reply success
    forgetting | crypto destroy | as the SM-SR said | end | reply warning
    looking, calling | deadline | its last word is waited for | = | timer last-word
    looking, calling | last-word | | end | reply expired
    """,
)

_REPLIES = frozenset(f"reply {word}" for word in ("success", "warning", "failed", "expired"))


def _answering(one: Table) -> Table:
    """Who has ordered by ES2.DownloadProfile hears the result in the step that ends the order."""
    rows = tuple(
        replace(row, maybe=row.maybe | _REPLIES) if "order ends" in row.effects else row for row in one.rows
    )
    return replace(one, rows=rows)


DOWNLOAD = _answering(
    _table(
        "Profile download and installation",
        ("download",),
        """
    start | begin | too late | end | order ends
    start | begin | held until the Operator's system answers | held-before-download | HoldBegun, timer hold
    start | begin | | get-eis | ES3GetEIS
    start | deadline, cancel | | end | order ends
    get-eis | cancel | nothing is on the card yet | end | order ends
    held-before-download | HoldVerdict | go on | get-eis | HoldEnded, ES3GetEIS
    held-before-download | HoldVerdict, cancel, hold, deadline | no, or no answer | end | HoldEnded, order ends
    get-eis | ES3GetEISResponse failed, ES3GetEISResponse success | no EIS, or it does not fit | end | order ends
    get-eis | ES3GetEISResponse success | an ISD-P of ours is left over | cleaning | ES3DeleteISDP
    cleaning | ES3DeleteISDPResponse success | | get-eis | ES3GetEIS
    cleaning | ES3DeleteISDPResponse failed | the next one | = | ES3DeleteISDP
    cleaning | ES3DeleteISDPResponse failed | it has the ICCID of this order | end | order ends
    get-eis | ES3GetEISResponse success | | checking | ask VerifyEUICC
    checking | crypto verify | | creating | ES3CreateISDP
    checking | crypto verify, crypto verify refused | not ours to trust, or no memory | end | order ends
    creating | ES3CreateISDPResponse success | | preparing | ask MakeSigningKey
    creating | ES3CreateISDPResponse failed | nothing was made | end | order ends
    creating | ES3CreateISDPResponse expired, ES3CreateISDPResponse success | nobody knows, or cancelled: the clean-up | deleting | ES3DeleteISDP, timer last-word
    preparing | crypto certificate | | certifying | ES3SendData
    certifying | ES3SendDataResponse success | the card's challenge | = | ask SignKeyParameters
    certifying | crypto sign | | establishing | ES3SendData
    establishing | ES3SendDataResponse success | | = | ask DeriveKeyset
    certifying, establishing | ES3SendDataResponse failed | an answer was lost: from the start | preparing | ask MakeSigningKey
    establishing | crypto derive | the receipt is right | opening | ask OpenSCP03t
    establishing | crypto derive | a token key for Master Delete is wanted | token-opening | ES3SendData
    token-opening | ES3SendDataResponse success | | = | ask LoadTokenKey
    token-opening | crypto token-wrap | | token-loading | ES3SendData
    token-loading | ES3SendDataResponse success | | = | ask ConfirmTokenKey
    token-opening | ES3SendDataResponse failed | an answer was lost: from the start | = | ES3SendData
    token-loading | ES3SendDataResponse failed | an answer was lost: from the start | token-opening | ES3SendData
    token-loading | crypto token-confirm | | opening | ask OpenSCP03t
    opening | crypto open | | = | ES3SendData
    opening | ES3SendDataResponse failed | an answer was lost: another session | = | ask OpenSCP03t
    opening | ES3SendDataResponse success | | protecting | ask ProtectProfile
    protecting | crypto protect | stored before it is sent | loading | StorePackage, ES3SendData
    loading | ES3SendDataResponse success | the next segments | = | ES3SendData
    loading | ES3SendDataResponse failed | the card has lost its session | opening | ask OpenSCP03t
    loading | ES3SendDataResponse success, ES3SendDataResponse failed | the last of them, or an error of the profile | = | ask OpenProfileResult
    loading | ES3SendDataResponse failed | whether the last one was taken is asked | asking | ES3AuditEIS
    loading | crypto result | installed | completing | ES3ProfileDownloadCompleted, ?ask DestroyKeys
    asking | ES3AuditEISResponse failed | again | = | ES3AuditEIS
    asking | ES3AuditEISResponse success | installed | completing | ES3ProfileDownloadCompleted, ?ask DestroyKeys
    asking | ES3AuditEISResponse success | not installed: another session | opening | ask OpenSCP03t
    preparing | crypto certificate, crypto certificate refused | no certificate | deleting | ES3DeleteISDP, timer last-word
    certifying, establishing, opening | ES3SendDataResponse success, ES3SendDataResponse failed | refused, or too often; the first error counts | deleting | ES3DeleteISDP, timer last-word
    certifying, opening | ES3SendDataResponse expired | | deleting | ES3DeleteISDP, timer last-word
    certifying | crypto sign, crypto sign refused | | deleting | ES3DeleteISDP, timer last-word
    establishing | crypto derive, crypto derive refused | a wrong receipt | deleting | ES3DeleteISDP, timer last-word
    opening | crypto open, crypto open refused | | deleting | ES3DeleteISDP, timer last-word
    token-opening, token-loading | ES3SendDataResponse success, ES3SendDataResponse failed, ES3SendDataResponse expired | refused, too often, or cancelled | deleting | ES3DeleteISDP, timer last-word
    token-opening | crypto token-wrap, crypto token-wrap refused | | deleting | ES3DeleteISDP, timer last-word
    token-loading | crypto token-confirm, crypto token-confirm refused | | deleting | ES3DeleteISDP, timer last-word
    protecting | crypto protect, crypto protect refused | | deleting | ES3DeleteISDP, timer last-word
    loading | ES3SendDataResponse success, ES3SendDataResponse failed, ES3SendDataResponse expired, crypto result, crypto result refused | the card has not installed it, or cancelled | deleting | ES3DeleteISDP, timer last-word
    asking | ES3AuditEISResponse success, ES3AuditEISResponse failed, ES3AuditEISResponse expired | not installed, or silent too often | deleting | ES3DeleteISDP, timer last-word
    completing | ES3ProfileDownloadCompletedResponse success | to be enabled | enabling | ES3EnableProfile
    completing | ES3ProfileDownloadCompletedResponse success, ES3ProfileDownloadCompletedResponse failed, ES3ProfileDownloadCompletedResponse expired | | end | order ends
    completing | ES3ProfileDownloadCompletedResponse success | keys by agreement | = | ?ask DestroyKeys, ?ask HandOverKeyset
    enabling | ES3EnableProfileResponse success | keys by agreement | = | ?ask DestroyKeys, ?ask HandOverKeyset
    completing, enabling | crypto hand-over | | = | KeepHandedKeys, ask DestroyKeys
    completing, enabling | crypto destroy, crypto hand-over refused | | end | order ends
    enabling | ES3EnableProfileResponse success, ES3EnableProfileResponse warning, ES3EnableProfileResponse failed, ES3EnableProfileResponse expired | | end | order ends
    enabling | ES3EnableProfileResponse success | held until the Operator's system answers | held-after-enable | HoldBegun, timer hold
    held-after-enable | HoldVerdict, hold | good; or no, or no answer, and an alarm is all | end | HoldEnded, order ends, ?alarm
    held-after-enable | HoldVerdict, hold | no, or no answer: undone | undoing | HoldEnded, ES3DisableProfile, timer last-word
    undoing | ES3DisableProfileResponse success | | removing | ES3DeleteISDP, timer last-word
    undoing | ES3DisableProfileResponse success | disabled is enough | end | order ends
    undoing | ES3DisableProfileResponse failed, last-word | | end | order ends, alarm
    removing | ES3DeleteISDPResponse success | | undone | ask DestroyKeys
    removing | ES3DeleteISDPResponse failed, last-word | | end | order ends, alarm
    undone | crypto destroy | | end | order ends
    get-eis, cleaning, checking, creating, preparing, certifying, establishing, token-opening, token-loading, opening, protecting, loading, asking, completing, enabling, deleting | deadline | the SM-SR's last word is waited for | = | timer last-word
    creating, preparing, certifying, establishing, token-opening, token-loading, opening, protecting, loading, asking | last-word | it never came | deleting | ES3DeleteISDP, timer last-word
    get-eis, cleaning, checking, completing, enabling, deleting | last-word | it never came | end | order ends
    deleting | ES3DeleteISDPResponse success | | = | ask DestroyKeys
    deleting | ES3DeleteISDPResponse failed | the ISD-P is Disabled: it was installed after all | completing | ES3ProfileDownloadCompleted
    deleting | ES3DeleteISDPResponse success, ES3DeleteISDPResponse failed, ES3DeleteISDPResponse expired, crypto destroy | the first error is the result | end | order ends
    """,
    )
)

# By the module in `procedures/` whose step function it is.
TABLES: dict[str, Table] = {"download": DOWNLOAD, "relay": RELAY}
