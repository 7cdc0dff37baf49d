"""Functions of ES2 on profiles that our SM-DP has delivered, at any SM-SR; connectivity parameters over ES8."""

from __future__ import annotations

from ferryman.codec import admin_trigger, isdr
from ferryman.contracts import codes, es2, es2_calls
from ferryman.errors import Refused
from ferryman.rest_api import bodies, rights
from ferryman.rest_api.endpoint import ACCEPTED, Endpoint, Request, or_absent


async def start_es2_call(r: Request) -> es2_calls.ES2View:
    question = es2_calls.StartES2(owner=r.tenant, call=_call(r.body), validity=r.body.validity)
    return await r.ask.sm_dp(r.tenant, question, es2_calls.ES2View, r.call_id)


async def show_es2_call(r: Request) -> es2_calls.ES2View:
    name = r.path["call_id"]
    asked = r.ask.sm_dp(r.tenant, es2_calls.ShowES2(owner=r.tenant, call_id=name), es2_calls.ES2View)
    return await or_absent(asked, "call", name)


def _call(given: bodies.NewES2Call) -> es2_calls.ES2Call:
    eid, smsr, iccid = given.eid, given.smsr_id, given.iccid
    if not iccid and given.function not in ("get-eis", "audit"):
        raise Refused(*codes.FORMAT_INVALID, f"iccid: is needed for {given.function}")
    match given.function:
        case "get-eis":
            return es2.ES2GetEIS(eid=eid, smsr_id=smsr)
        case "audit":
            return es2_calls.ES2AuditEIS(eid=eid, smsr_id=smsr, iccids=given.iccids or ((iccid,) if iccid else ()))
        case "enable":
            return es2.ES2EnableProfile(eid=eid, smsr_id=smsr, iccid=iccid)
        case "disable":
            return es2.ES2DisableProfile(eid=eid, smsr_id=smsr, iccid=iccid)
        case "delete":
            return es2.ES2DeleteProfile(eid=eid, smsr_id=smsr, iccid=iccid)
        case "set-fallback":
            return es2_calls.ES2SetFallBackAttribute(eid=eid, smsr_id=smsr, iccid=iccid)
        case "update-policy-rules":
            return es2.ES2UpdatePolicyRules(eid=eid, smsr_id=smsr, iccid=iccid, pol2=given.pol2)
        case "update-subscription-address":
            return es2.ES2UpdateSubscriptionAddress(
                eid=eid, smsr_id=smsr, iccid=iccid, imsi=given.imsi, msisdn=given.msisdn
            )
        case "update-connectivity":
            return es2_calls.UpdateConnectivityParameters(
                eid=eid, smsr_id=smsr, iccid=iccid, parameters=_parameters(given)
            )


def _parameters(given: bodies.NewES2Call) -> bytes:
    """The objects, as given or by name; raises Refused."""
    named = given.smsc or given.apn
    if bool(given.parameters) == bool(named) or (given.login and not given.apn):
        sentence = "parameters: give the objects, or smsc and apn (login and password are of its network)"
        raise Refused(*codes.FORMAT_INVALID, sentence)
    if given.parameters:
        return given.parameters
    https = None
    if given.apn:
        try:
            https = admin_trigger.bearer_objects(given.apn, login=given.login, password=given.password)
        except ValueError as problem:
            raise Refused(*codes.FORMAT_INVALID, f"apn: {problem}") from None
    return isdr.connectivity_parameters(given.smsc or None, https=https)


_E = Endpoint
ENDPOINTS = (
    _E("POST", "/es2-calls", rights.OPERATION_WRITE, "A function of ES2, by way of ES3, at our SM-SR or another",
       start_es2_call, es2_calls.ES2View, ACCEPTED, body=bodies.NewES2Call, once=True,
       example={"function": "update-connectivity", "eid": "89001012012341234012345678901224",
                "iccid": "8988211000000000011", "smsc": "+33612345678", "apn": "m2m.example"}),
    _E("GET", "/es2-calls/{call_id}", rights.OPERATION_READ, "State of such a call, and its result", show_es2_call,
       es2_calls.ES2View),
)  # fmt: skip
