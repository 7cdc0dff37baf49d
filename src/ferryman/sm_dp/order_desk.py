"""Orders as calls: create, show, list, cancel, retry, release, refuse; procedures do the work."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ferryman.codec.ids import EID, ICCID
from ferryman.contracts import codes, es2, holds
from ferryman.contracts import orders as order_calls
from ferryman.contracts.message import Body, Header
from ferryman.contracts.orders import CreateOrder, OrderPage, OrderView
from ferryman.errors import InputError, Refused
from ferryman.platform.clock import Clock
from ferryman.platform.engine import Engine, Start
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.platform.procedure import Signalled
from ferryman.profile.overrides import check_connectivity, check_pol1
from ferryman.sm_dp.factory import hooks, orders, stock, templates
from ferryman.sm_dp.factory.announcing import announce
from ferryman.sm_dp.hooks.desk import check_holds, verdict_of
from ferryman.sm_dp.identifiers import require_eid, require_iccid
from ferryman.sm_dp.procedures.state import State
from ferryman.sm_dp.records import DPSettings

DOWNLOAD = "download"  # kind of procedure
POL2_RULES = frozenset((("DISABLE", "Not-Allowed"), ("DELETE", "Not-Allowed"), ("DISABLE", "Auto-Delete")))
MAX_VALIDITY = 30 * 86_400.0  # s; an order that waits longer for a card should be placed anew
DEFAULT_HOLD = 3_600.0  # s that an order holds on its own word, where its profile type has no hook


class OrderDesk:
    """Orders of one SM-DP."""

    def __init__(self, *, mailbox: Mailbox, engine: Engine, settings: DPSettings, clock: Clock) -> None:
        self._mailbox = mailbox
        self._engine = engine
        self._settings = settings
        self._clock = clock

    async def answer(self, header: Header, body: Body) -> Body | None:
        """The answer to a call about orders; None for any other call."""
        match body:
            case CreateOrder():
                return await self._order(header, body)
            case order_calls.ShowOrder():
                return await self.show(body.owner, body.order_id)
            case order_calls.ListOrders():
                return await self._list(body)
            case order_calls.CancelOrder():
                return await self._cancel(body)
            case order_calls.RetryOrder():
                return await self._retry(header, body)
            case holds.ReleaseOrder() | holds.RefuseOrder():
                return await self._judge(header, body)
            case _:
                return None

    async def show(self, owner: str, order_id: str) -> OrderView:
        """One order of this owner. Raises Refused."""
        view = await self._mailbox.store.read(lambda c: orders.get_order(c, owner, order_id))
        if view is None:
            raise Refused(*codes.ICCID_UNKNOWN, f"there is no order {order_id}", identifier=order_id)
        return view

    async def _list(self, body: order_calls.ListOrders) -> OrderPage:
        return OrderPage(orders=await self._mailbox.store.read(lambda c: orders.list_orders(c, body)))

    # -- beginning --------------------------------------------------------------------------------------------

    async def _order(self, header: Header, body: CreateOrder) -> OrderView:
        check_order(body)
        order_id = order_calls.order_id(header.requester, header.function_call_id)
        await self.start(header, body, body, order_id=order_id)
        return await self.show(body.owner, order_id)

    async def download(self, header: Header, body: es2.ES2DownloadProfile) -> None:
        """ES2.DownloadProfile (5.3.2) from outside: an order, answered at its end. Raises Refused, InputError."""
        wanted = CreateOrder(
            owner=header.requester,
            eid=body.eid,
            iccid=body.iccid,
            profile_type="" if body.iccid else body.profile_type,
            enable=body.enable,
            validity=min(max(header.deadline - self._clock.now(), 1.0), MAX_VALIDITY),
            smsr_id=body.smsr_id,
        )
        require_eid(body.eid)
        if body.iccid:
            require_iccid(body.iccid)
        check_order(wanted)
        order_id = order_calls.order_id(header.requester, header.function_call_id)
        try:
            await self.start(header, wanted, body, order_id=order_id, reply=True)
        except Refused as refusal:
            if (refusal.subject, refusal.reason) != codes.PROFILE_TYPE_UNKNOWN:
                raise
            name = wanted.profile_type
            if await self._mailbox.store.read(lambda c: templates.is_of_others(c, wanted.owner, name)):
                sentence = "the profile type is not the requester's"
                raise Refused(*codes.PROFILE_TYPE_NOT_ALLOWED, sentence, identifier=name) from None
            raise

    async def start(
        self,
        header: Header,
        body: CreateOrder,
        request: Body,
        *,
        order_id: str,
        reply: bool = False,
        join: Callable[[Tx], None] | None = None,
    ) -> None:
        """Reservation, order and procedure in the transaction that records the call, which `join` takes part in.

        Raises Refused, and then nothing is entered.
        """
        now = self._clock.now()

        def first_state(tx: Tx) -> State:
            if join is not None:
                join(tx)
            row = stock.reserve(
                tx, body.owner, iccid=body.iccid, profile_type=body.profile_type, order_id=order_id
            )
            orders.put_order(tx, body, order_id, row.iccid, row.profile_type)
            state = self._state(tx, body, order_id, row, body.validity)
            return msgspec.structs.replace(state, reply=reply)

        header = _with_deadline(header, body, now + body.validity)
        start = Start(
            kind=DOWNLOAD,
            procedure_id=f"{DOWNLOAD}/{order_id}",
            state=first_state,
            exclusive=True,
            caller=header,
            request=request,
        )
        await self._engine.call(header, start)

    def _state(self, tx: Tx, body: CreateOrder, order_id: str, row: stock.Subscription, validity: float) -> State:
        if self._settings.announces:
            announce(tx, order_id, self._settings.smdp_id)
        terms = hooks.terms(tx.session, body.owner, row.profile_type)
        state = State(
            order_id=order_id,
            smdp_id=self._settings.smdp_id,
            owner=body.owner,
            eid=body.eid,
            iccid=row.iccid,
            imsi=row.imsi,
            msisdn=row.msisdn,
            profile_type=row.profile_type,
            enable=body.enable,
            deadline=self._clock.now() + validity,
            validity=validity,
            pol2=body.pol2,
            address_imsi=body.imsi,
            address_msisdn=body.msisdn,
            pol1=body.pol1,
            connectivity=body.connectivity,
            keys=body.keys,
            keys_under=body.keys_under,
            delete_token=body.delete_token,
            foreign_smsr=self._settings.foreign(body.smsr_id),
            holds=body.hold if body.hold is not None else terms.holds if terms is not None else (),
            hold_limit=terms.max_hold if terms is not None else DEFAULT_HOLD,
        )
        return state if terms is None else msgspec.structs.replace(state, undo=terms.undo)

    async def place(self, header: Header, body: CreateOrder, order_id: str, join: Callable[[Tx], None]) -> None:
        """An order of a batch. Raises Refused, InputError, Unavailable."""
        check_order(body)
        await self.start(header, body, body, order_id=order_id, join=join)

    async def cancel(self, view: OrderView) -> None:
        """Cancel a running order, as far as that is still possible; raises Unavailable."""
        await self.signal(view, "batch", "cancel")

    # -- what becomes of it -----------------------------------------------------------------------------------

    async def _cancel(self, body: order_calls.CancelOrder) -> OrderView:
        view = await self.show(body.owner, body.order_id)
        if view.state != orders.RUNNING:
            raise Refused(*codes.ICCID_NOT_ALLOWED, "the order has ended", identifier=body.order_id)
        await self.signal(view, body.owner, "cancel")
        return await self.show(body.owner, body.order_id)

    async def _judge(self, header: Header, body: holds.ReleaseOrder | holds.RefuseOrder) -> OrderView:
        """A person's word on an order that holds; the same word again is no error."""
        view = await self.show(body.owner, body.order_id)
        verdict = verdict_of(body, header.requester)
        if not view.hold or verdict.hold not in ("", view.hold):
            outcome = await self._mailbox.store.read(
                lambda c: hooks.last_outcome(c, body.order_id, verdict.hold) if verdict.hold else ""
            )
            if outcome == hooks.ENDED:
                return view
            raise Refused(*codes.ICCID_NOT_ALLOWED, "the order does not hold", identifier=body.order_id)
        await self.signal(view, body.owner, msgspec.structs.replace(verdict, hold=view.hold))
        return await self.show(body.owner, body.order_id)

    async def signal(self, view: OrderView, sender: str, value: str | holds.HoldVerdict) -> None:
        """Tell the procedure of an order's newest attempt something; raises Unavailable."""
        procedure_id = f"{DOWNLOAD}/{_call_name(view.order_id, view.attempt) or view.order_id}"
        await self._engine.deliver(view.eid, procedure_id, Signalled(sender, value))

    async def _retry(self, header: Header, body: order_calls.RetryOrder) -> OrderView:
        """The same order once more, its subscription reserved in the transaction that records the call."""
        view = await self.show(body.owner, body.order_id)
        _check_validity(body.validity)
        now = self._clock.now()

        def first_state(tx: Tx) -> State:
            asked, attempt, row = orders.reopen(tx, body.owner, body.order_id)
            state = self._state(tx, asked, body.order_id, row, body.validity)
            return msgspec.structs.replace(state, call_name=_call_name(body.order_id, attempt))

        call = msgspec.structs.replace(header, eid=view.eid, deadline=now + body.validity)
        start = Start(
            kind=DOWNLOAD,
            procedure_id=f"{DOWNLOAD}/{_call_name(body.order_id, view.attempt + 1)}",
            state=first_state,
            exclusive=True,
            caller=call,
            request=body,
        )
        await self._engine.call(call, start)
        return await self.show(body.owner, body.order_id)


def check_order(body: CreateOrder) -> None:
    """Raise InputError for an order that cannot be."""
    if not EID.parse(body.eid).check_digits_ok:
        raise InputError("eid", "the check digits are wrong")
    if bool(body.iccid) == bool(body.profile_type):
        raise InputError("order", "give either an ICCID or a profile type")
    if body.iccid:
        ICCID.parse(body.iccid)
    _check_validity(body.validity)
    check_holds(body.hold or ())
    if body.keys not in (order_calls.KEEP, order_calls.DESTROY, order_calls.HAND_OVER):
        raise InputError("keys", "must be keep, destroy or hand-over")
    if (body.keys == order_calls.HAND_OVER) != bool(body.keys_under):
        raise InputError("keys_under", "names the transport key, for hand-over only")
    if body.delete_token and body.keys != order_calls.KEEP:
        raise InputError("delete_token", "needs keys that are kept: the token key is one of the ISD-P's")
    if body.pol1 is not None:
        check_pol1(body.pol1)
    if body.connectivity is not None:
        check_connectivity(body.connectivity)
    for rule in body.pol2:
        if (rule.action, rule.qualification) not in POL2_RULES:
            raise InputError("pol2", "DISABLE and DELETE may be Not-Allowed, DISABLE may be Auto-Delete")


def _check_validity(validity: float) -> None:
    if not 1.0 <= validity <= MAX_VALIDITY:
        raise InputError("validity", f"must be between 1 and {MAX_VALIDITY:.0f} seconds")


def _call_name(order_id: str, attempt: int) -> str:
    """What the ES3 calls and the procedure of an attempt are named by; the first is the order itself."""
    return "" if attempt == 1 else f"{order_id}.{attempt}"


def _with_deadline(header: Header, body: CreateOrder, deadline: float) -> Header:
    return Header(
        message_id=header.message_id,
        sender=header.sender,
        requester=header.requester,
        function_call_id=header.function_call_id,
        deadline=deadline,
        eid=body.eid,
    )
