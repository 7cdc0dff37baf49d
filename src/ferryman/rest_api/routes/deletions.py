"""Master Delete (SGP.02 3.10): a token of our SM-DP, and the deletion of a profile against its policy with one."""

from __future__ import annotations

from ferryman.contracts import codes, operations, orders
from ferryman.errors import Refused
from ferryman.rest_api import bodies_cards, rights
from ferryman.rest_api.endpoint import ACCEPTED, CREATED, Endpoint, Request, or_absent
from ferryman.rest_api.routes.orders import show_order


async def issue_delete_token(r: Request) -> orders.DeleteToken:
    order = await show_order(r)
    return await _issued(r, order.order_id)


async def master_delete(r: Request) -> operations.OperationView:
    given: bodies_cards.NewMasterDelete = r.body
    eid, iccid = r.path["eid"], given.iccid
    await r.ask.profile(r.tenant, eid, iccid)
    if bool(given.order_id) == bool(given.token):
        raise Refused(*codes.FORMAT_INVALID, "token: give one, or the order_id for which one is issued")
    asked = operations.MasterDelete(
        eid=eid,
        iccid=iccid,
        token=given.token,
        sin=given.sin,
        sdin=given.sdin,
        provider=given.provider,
        token_id=given.token_id,
    )
    if given.order_id:
        asked = await _with_token(r, given.order_id, eid, iccid)
    question = operations.StartOperation(owner=r.tenant, operation=asked, validity=given.validity)
    return await r.ask.sm_sr(r.tenant, question, operations.OperationView, r.call_id)


async def _with_token(r: Request, order_id: str, eid: str, iccid: str) -> operations.MasterDelete:
    """The deletion with a token that is issued now, once for this Idempotency-Key; raises Refused."""
    question = orders.ShowOrder(owner=r.tenant, order_id=order_id)
    order = await or_absent(r.ask.sm_dp(r.tenant, question, orders.OrderView), "order", order_id)
    if (order.eid, order.iccid) != (eid, iccid):
        raise Refused(*codes.ICCID_NOT_ALLOWED, "order_id: this order has not installed this profile here")
    issued = await _issued(r, order_id)
    return operations.MasterDelete(
        eid=eid,
        iccid=iccid,
        token=issued.token,
        sin=issued.sin,
        sdin=issued.sdin,
        provider=issued.provider,
        token_id=issued.token_id,
    )


async def _issued(r: Request, order_id: str) -> orders.DeleteToken:
    question = orders.IssueDeleteToken(owner=r.tenant, order_id=order_id)
    return await r.ask.sm_dp(r.tenant, question, orders.DeleteToken, r.call_id)


_E = Endpoint
ENDPOINTS = (
    _E("POST", "/orders/{order_id}/delete-tokens", rights.MASTER_DELETE_WRITE,
       "A token for the Master Delete of the profile that an order with `delete_token` has installed",
       issue_delete_token, orders.DeleteToken, CREATED, once=True),
    _E("POST", "/euiccs/{eid}/master-deletes", rights.MASTER_DELETE_WRITE,
       "Delete an orphaned profile against its policy, with a token of its SM-DP (SGP.02 3.10)", master_delete,
       operations.OperationView, ACCEPTED, body=bodies_cards.NewMasterDelete, once=True,
       example={"iccid": "8988211000000000011", "order_id": "0123456789abcdef01234567"}),
)  # fmt: skip
