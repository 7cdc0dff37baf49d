"""ES2 from outside or from the operator's own tools: calls become procedures, notifications go on to Operators."""

from __future__ import annotations

import hashlib

import msgspec

from ferryman.contracts import codes, es2, es2_calls, es3, v4
from ferryman.contracts.es2_calls import ES2View
from ferryman.contracts.message import Body, Header
from ferryman.contracts.roles import SM_DP, SOAP_GATEWAY
from ferryman.contracts.status import from_refusal
from ferryman.errors import InputError, Refused
from ferryman.platform.clock import Clock
from ferryman.platform.engine import Engine, Start
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.profile.overrides import check_connectivity
from ferryman.sm_dp.identifiers import require_eid
from ferryman.sm_dp.procedures import relay
from ferryman.sm_dp.records import DPSettings

RELAY = "relay"
MAX_VALIDITY = 30 * 86_400.0  # s
MIN_VALIDITY = 1.0  # s
NOTICE_SECONDS = 7 * 86_400.0  # a notification is worth delivering for so long


class OperatorPort:
    """Starts relays and hands notifications on."""

    def __init__(self, *, mailbox: Mailbox, engine: Engine, settings: DPSettings, clock: Clock) -> None:
        self._mailbox = mailbox
        self._engine = engine
        self._settings = settings
        self._clock = clock

    # -- calls ----------------------------------------------------------------------------------------------

    async def call(self, header: Header, body: Body) -> None:
        """A call from outside; a refusal is an answer."""
        try:
            await self._start(header, body)
        except Refused as refusal:
            await self.refuse(header, relay.RESPONSES[type(body)](status=from_refusal(refusal)))

    async def refuse(self, header: Header, answer: Body) -> None:
        """Answer a call that no procedure was started for, once."""

        def unit(tx: Tx) -> None:
            if tx.first_time(header.message_id):
                reply = Header(
                    message_id=f"{SM_DP}/refused/{header.message_id}",
                    sender=SM_DP,
                    requester=header.requester,
                    function_call_id=header.function_call_id,
                    deadline=header.deadline,
                    eid=header.eid,
                    causation_id=header.message_id,
                )
                tx.send(header.sender, reply, answer)

        await self._mailbox.transact(unit)

    async def start(self, header: Header, body: es2_calls.StartES2) -> ES2View:
        """A call of the operator's tools; the same call identifier again finds the same call."""
        if not MIN_VALIDITY <= body.validity <= MAX_VALIDITY:
            raise InputError("validity", f"must be {MIN_VALIDITY:.0f} to {MAX_VALIDITY:.0f} seconds")
        call = Header(
            message_id=header.message_id,
            sender="",  # nobody: the operator's tools are no peer, they come and look
            requester=body.owner,
            function_call_id=header.function_call_id,
            deadline=self._clock.now() + body.validity,
            eid=body.call.eid,
        )
        await self._start(call, body.call)
        return await self.show(body.owner, header.function_call_id)

    async def show(self, owner: str, call_id: str) -> ES2View:
        """One call of this owner. Raises Refused for one that does not exist, or is somebody else's."""
        for kind in es2_calls.CALLS:
            found = await self._engine.answer_of(owner, call_id, kind.__name__)
            if found is not None:
                break
        else:
            raise Refused(*codes.FUNCTION_NOT_ALLOWED, f"there is no call {call_id}", identifier=call_id)
        _, answer = found
        return ES2View(
            call_id=call_id,
            name=kind.__name__.removeprefix("ES2"),
            state="done" if answer is not None else "running",
            status=getattr(answer, "status", None),
            eis=getattr(answer, "eis", None),
        )

    async def _start(self, header: Header, body: Body) -> None:
        if not isinstance(body, es2_calls.CALLS):
            raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function of ES2")
        eid: str = body.eid  # type: ignore[attr-defined]  # every function of ES2 has these two
        smsr_id: str = body.smsr_id  # type: ignore[attr-defined]
        if isinstance(body, es2_calls.UpdateConnectivityParameters):
            if not body.parameters:
                raise InputError("connectivity parameters", "are missing")
            check_connectivity(body.parameters)
        require_eid(eid)
        name = hashlib.sha256(f"{header.requester}\0{header.function_call_id}".encode()).hexdigest()[:16]
        state = relay.State(
            name=name,
            smdp_id=self._settings.smdp_id,
            owner=header.requester,
            call=body,  # type: ignore[arg-type]  # one of CALLS
            deadline=header.deadline,
            began=self._clock.now(),
            foreign_smsr=self._settings.foreign(smsr_id),
        )
        start = Start(
            kind=RELAY,
            procedure_id=f"{RELAY}/{name}",
            state=state,
            exclusive=False,  # the SM-SR is the one writer of the card
            caller=header,
            request=body,
        )
        await self._engine.call(header, start)

    # -- notifications --------------------------------------------------------------------------------------

    async def told(self, header: Header, body: Body) -> None:
        """A notification of the SM-SR: recorded once, and handed on to the Operator that it names."""

        def unit(tx: Tx) -> None:
            if not tx.first_time(header.message_id):
                return
            owner: str = body.owner  # type: ignore[attr-defined]  # every notification of ES3 names the Operator
            action = type(body).__name__.removeprefix("ES3")
            notice = notice_of(body)
            tx.audit(
                actor=header.requester,
                action=action,
                eid=header.eid,
                object=getattr(body, "iccid", ""),
                outcome="handed on" if self._settings.tells_operators else "received",
                detail=f"for {owner}",
            )
            if not self._settings.tells_operators:
                return
            on = Header(
                message_id=f"{SM_DP}/{header.message_id}",
                sender=SM_DP,
                requester=self._settings.smdp_id,
                function_call_id=header.function_call_id,
                deadline=tx.now + NOTICE_SECONDS,
                eid=header.eid,
                causation_id=header.message_id,
                recipient=owner,
            )
            tx.send(SOAP_GATEWAY, on, notice)

        await self._mailbox.transact(unit)


_ON_ES2: dict[type[Body], type[Body]] = {
    es3.ES3HandleProfileEnabledNotification: es2.ES2HandleProfileEnabledNotification,
    es3.ES3HandleProfileDisabledNotification: es2.ES2HandleProfileDisabledNotification,
    es3.ES3HandleProfileDeletedNotification: es2.ES2HandleProfileDeletedNotification,
    es3.ES3HandleSMSRChangeNotification: es2.ES2HandleSMSRChangeNotification,
    v4.ES3HandleProfileDownloadedNotification: v4.ES2HandleProfileDownloadedNotification,
    v4.ES3HandleProfilePOL2UpdatedNotification: v4.ES2HandleProfilePOL2UpdatedNotification,
    v4.ES3HandleFallBackAttributeSetNotification: v4.ES2HandleFallBackAttributeSetNotification,
    v4.ES3HandleFallBackAttributeUnsetNotification: v4.ES2HandleFallBackAttributeUnsetNotification,
}


def notice_of(body: Body) -> Body:
    """The notification of ES2 that a notification of ES3 becomes: the same without Mno-id (2.3)."""
    kind = _ON_ES2.get(type(body))
    if kind is None:
        raise ValueError(f"{type(body).__name__} is no notification of ES3")
    values = msgspec.structs.asdict(body)
    del values["owner"]
    return kind(**values)
