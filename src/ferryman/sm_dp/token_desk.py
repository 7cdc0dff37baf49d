"""Tokens for the Master Delete of profiles that we have installed (SGP.02 3.10)."""

from __future__ import annotations

from typing import Protocol

from ferryman.contracts import codes, crypto, orders
from ferryman.contracts.message import Body, Header
from ferryman.errors import Refused
from ferryman.platform.mailbox import Mailbox
from ferryman.sm_dp.factory.orders import get_order


class Ask(Protocol):
    """A question to the CryptoServer; raises Refused."""

    async def __call__(self, header: Header, body: Body) -> Body: ...


class TokenDesk:
    """Answers what is asked of delete tokens."""

    def __init__(self, mailbox: Mailbox, ask: Ask) -> None:
        self._mailbox = mailbox
        self._ask = ask

    async def answer(self, header: Header, body: Body) -> Body | None:
        """None for what is none of its questions; raises Refused."""
        if not isinstance(body, orders.IssueDeleteToken):
            return None
        view = await self._mailbox.store.read(lambda c: get_order(c, body.owner, body.order_id))
        if view is None:
            raise Refused(*codes.ICCID_UNKNOWN, f"there is no order {body.order_id}", identifier=body.order_id)
        if not view.isdp_aid:
            sentence = f"order {body.order_id} has no profile on a card"
            raise Refused(*codes.ICCID_NOT_ALLOWED, sentence, identifier=body.order_id)
        question = crypto.IssueDeleteToken(eid=view.eid, isdp_aid=bytes.fromhex(view.isdp_aid))
        issued = await self._ask(header, question)
        if not isinstance(issued, crypto.DeleteTokenIssued):
            raise TypeError("unexpected answer of the CryptoServer")
        return orders.DeleteToken(
            eid=view.eid,
            iccid=view.iccid,
            token=issued.token,
            sin=issued.sin,
            sdin=issued.sdin,
            provider=issued.provider,
            token_id=issued.token_id,
        )
