"""ES2 as Operators call it (SGP.02 5.3): a download becomes an order, the other functions are passed on."""

from __future__ import annotations

from typing import Any

from ferryman.contracts import admin, codes, es2
from ferryman.contracts.message import Body, Header
from ferryman.contracts.status import failed, from_refusal
from ferryman.errors import InputError, PeerError, Refused
from ferryman.platform.engine import Start
from ferryman.sm_dp.procedures.relay import KIND, RELAYS, RelayState
from ferryman.sm_dp.records import DPSettings

RESPONSES: dict[type[Body], type[Body]] = {
    es2.ES2DownloadProfile: es2.ES2DownloadProfileResponse,
    **{request: relay.response for request, relay in RELAYS.items()},
}


def foreign(settings: DPSettings, smsr_id: str) -> str:
    """The OID when the eUICC is managed by another SM-SR than ours, else an empty string."""
    return "" if smsr_id == settings.smsr_id else smsr_id


def order_of(header: Header, body: es2.ES2DownloadProfile, now: float) -> admin.CreateOrder:
    """The order that a call becomes; with an ICCID the profile type says nothing more."""
    return admin.CreateOrder(
        owner=header.requester,
        eid=body.eid,
        iccid=body.iccid,
        profile_type="" if body.iccid else body.profile_type,
        enable=body.enable,
        validity=header.deadline - now,
    )


def relay_of(header: Header, body: Any, settings: DPSettings) -> Start:
    """The procedure that passes a function on."""
    name = f"{KIND}/{type(body).__name__}/{header.requester}/{header.function_call_id}"
    state = RelayState(
        owner=header.requester,
        smdp_id=settings.smdp_id,
        foreign_smsr=foreign(settings, body.smsr_id),
        call_id=name,
        deadline=header.deadline,
        request=body,
    )
    return Start(kind=KIND, procedure_id=name, state=state, exclusive=False, caller=header, request=body)


def refusal(body: Body, problem: Refused | PeerError | InputError) -> Body:
    """The response to a call that is not entered."""
    make: Any = RESPONSES[type(body)]
    if isinstance(problem, Refused):
        status = from_refusal(problem)
    else:
        status = failed(*codes.FORMAT_INVALID, str(problem))
    made: Body = make(status=status)
    return made
