"""What an operator's tools ask of the stock: imports of subscriptions, low-water marks, counts."""

from __future__ import annotations

from ferryman.contracts import codes, crypto, imports
from ferryman.contracts import orders as order_calls
from ferryman.contracts import oversight as oversight_questions
from ferryman.contracts.message import Body, Header
from ferryman.errors import InputError, Refused
from ferryman.platform.crypto_client import CryptoClient
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.profile.automatic import PUBLIC_FIELDS
from ferryman.profile.stored import write_demands
from ferryman.profile.template import CompiledTemplate
from ferryman.sm_dp.factory import oversight, stock, templates

MAX_PAGE = 10_000  # subscriptions in one answer
DELETE_AT_ONCE = 500  # subscriptions: each takes a call to the CryptoServer


class StockDesk:
    """Answers one question each."""

    def __init__(self, mailbox: Mailbox, crypto: CryptoClient) -> None:
        self.mailbox = mailbox
        self._crypto = crypto

    async def answer(self, header: Header, body: Body) -> Body:
        """The answer; raises Refused for what is no function of the SM-DP."""
        match body:
            case imports.OpenRegistration():
                return await self._open_registration(body)
            case imports.RegisterChunk():
                return await self._register(body)
            case imports.CloseRegistration():
                return await self._close_registration(header, body)
            case imports.DeleteStock():
                return await self._delete(header, body)
            case imports.ListSubscriptions():
                limit = min(max(body.limit, 1), MAX_PAGE)
                return await self.mailbox.store.read(
                    lambda c: stock.page(c, body.owner, body.import_id, body.after, limit)
                )
            case imports.ListImports():
                views = await self.mailbox.store.read(lambda c: stock.list_imports(c, body.owner))
                return imports.ImportPage(imports=views)
            case order_calls.SetLowWater():
                return await self._set_low_water(header, body)
            case order_calls.ShowStock():
                stocks = await self.mailbox.store.read(lambda c: stock.stocks(c, body.owner))
                return order_calls.StockPage(stocks=stocks)
            case _ if isinstance(body, oversight_questions.ASKED):
                return await oversight.answer(self.mailbox, body)
            case _:
                raise Refused(*codes.FUNCTION_NOT_ALLOWED, "not a function of the SM-DP")

    async def _open_registration(self, body: imports.OpenRegistration) -> imports.RegistrationOpened:
        def unit(tx: Tx) -> imports.RegistrationOpened:
            row = templates.require_template(tx.connection, body.owner, body.profile_type)
            batch = stock.open_batch(tx, body.owner, body.profile_type, body.import_id)
            compiled = CompiledTemplate.from_bytes(bytes(row.compiled))
            fields = [field for field in compiled.fields if field.name not in PUBLIC_FIELDS]
            return imports.RegistrationOpened(
                state=batch.state,
                chunks=batch.chunks,
                needs=tuple(field.name for field in fields if field.default is None),
                wants=tuple(field.name for field in fields if field.default is not None),
                demands=write_demands(compiled.demands),
                new=batch.rows,
                known=batch.known,
            )

        return await self.mailbox.transact(unit)

    async def _register(self, body: imports.RegisterChunk) -> imports.ChunkRegistered:
        if len(body.rows) != len(body.lines):
            raise InputError("lines", "must be as many as rows")
        return await self.mailbox.transact(
            lambda tx: stock.register(
                tx, body.owner, body.import_id, body.number, body.rows, body.lines, lenient=body.lenient
            ),
            long=True,
        )

    async def _close_registration(
        self, header: Header, body: imports.CloseRegistration
    ) -> imports.RegistrationClosed:
        def unit(tx: Tx) -> imports.RegistrationClosed:
            closed = stock.close_batch(tx, body.owner, body.import_id, keep=body.keep)
            if not closed.left:
                outcome = f"{closed.new} new, {closed.known} known" if body.keep else "dropped"
                tx.audit(
                    actor=header.requester,
                    action="RegisterSubscriptions",
                    object=body.import_id,
                    outcome=outcome,
                )
            return closed

        return await self.mailbox.transact(unit, long=True)

    async def _delete(self, header: Header, body: imports.DeleteStock) -> imports.StockDeleted:
        """What nobody can order any more first, its keys then, the rows at last; a repeat goes on where it was."""
        iccids, count = await self.mailbox.transact(
            lambda tx: stock.set_aside(tx, body.owner, body.import_id, DELETE_AT_ONCE), long=True
        )
        for iccid in iccids:
            await self._crypto.ask(header, crypto.DestroyKeys(prefix=f"subscription/{iccid}"))

        def unit(tx: Tx) -> None:
            stock.forget(tx, iccids)
            outcome = f"{len(iccids)} deleted"
            tx.audit(actor=header.requester, action="DeleteStock", object=body.import_id, outcome=outcome)

        await self.mailbox.transact(unit)
        return imports.StockDeleted(deleted=len(iccids), left=count - len(iccids))

    async def _set_low_water(self, header: Header, body: order_calls.SetLowWater) -> Body:
        if body.low_water < 0:
            raise InputError("low_water", "must be 0 or more")

        def unit(tx: Tx) -> tuple[order_calls.StockView, ...]:
            templates.set_low_water(tx, body.owner, body.profile_type, body.low_water)
            tx.audit(actor=header.requester, action="SetLowWater", object=body.profile_type, outcome="done")
            return stock.stocks(tx.connection, body.owner)

        return order_calls.StockPage(stocks=await self.mailbox.transact(unit))
