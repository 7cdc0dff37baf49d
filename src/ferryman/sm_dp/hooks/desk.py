"""What operators' tools say about hooks and held orders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ferryman.contracts import codes, holds
from ferryman.contracts.message import Body, Header
from ferryman.errors import InputError, Refused
from ferryman.platform.destination import check
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.sm_dp.factory import hooks, templates
from ferryman.sm_dp.hooks.post import MAX_REASON, check_url

MIN_LIMIT, MAX_LIMIT = 1.0, 30 * 86_400.0  # s; the longest is that of an order

type ShowOrder = Callable[[str, str], Awaitable[Body]]  # owner, order
type Tell = Callable[[str, str, holds.HoldVerdict], Awaitable[None]]  # owner, order, verdict


class HookDesk:
    """Answers one call each."""

    def __init__(self, mailbox: Mailbox, *, wake: Callable[[], None]) -> None:
        self._mailbox = mailbox
        self._wake = wake

    async def answer(self, header: Header, body: Body) -> holds.HookPage | None:
        """The hooks behind the change; None for what is no call about hooks."""
        match body:
            case holds.SetHook():
                _check(body)
                await self._mailbox.transact(lambda tx: self._set(tx, header, body))
            case holds.RemoveHook():
                await self._mailbox.transact(lambda tx: _remove(tx, header, body))
            case holds.ListHooks():
                pass
            case _:
                return None
        owner = body.owner
        return holds.HookPage(hooks=await self._mailbox.store.read(lambda c: hooks.views(c, owner)))

    def _set(self, tx: Tx, header: Header, body: holds.SetHook) -> None:
        if body.profile_type:
            templates.require_template(tx.connection, body.owner, body.profile_type)
        hooks.put(tx, body)
        tx.audit(actor=header.requester, action="SetHook", object=body.profile_type, outcome="done")
        tx.then(self._wake)


def _remove(tx: Tx, header: Header, body: holds.RemoveHook) -> None:
    if not hooks.remove(tx, body.owner, body.profile_type):
        kind = body.profile_type or "every profile type"
        sentence = f"there is no hook for {kind}"
        raise Refused(*codes.PROFILE_TYPE_UNKNOWN, sentence, identifier=body.profile_type)
    tx.audit(actor=header.requester, action="RemoveHook", object=body.profile_type, outcome="done")


def verdict_of(body: holds.ReleaseOrder | holds.RefuseOrder, requester: str) -> holds.HoldVerdict:
    """What a person's word says; raises InputError."""
    if body.hold not in ("", *holds.HOLDS):
        raise InputError("hold", f"must be one of {', '.join(holds.HOLDS)}")
    reason = body.reason if isinstance(body, holds.RefuseOrder) else ""
    if len(reason) > MAX_REASON or not reason.isprintable():
        raise InputError("reason", f"must be printable, with at most {MAX_REASON} characters")
    return holds.HoldVerdict(hold=body.hold, go=isinstance(body, holds.ReleaseOrder), reason=reason, by=requester)


def check_holds(names: tuple[str, ...]) -> None:
    """Raise InputError for a hold that does not exist."""
    if not set(names) <= set(holds.HOLDS):
        raise InputError("hold", f"must be of {', '.join(holds.HOLDS)}")


def _check(body: holds.SetHook) -> None:
    check_holds(body.holds)
    if not body.holds:
        raise InputError("holds", "must name one hold at least; remove the hook instead")
    if body.url and body.confined:
        check(body.url)  # where it leads is looked at when it is called: by the settings, and each time
    elif body.url:
        check_url(body.url)
    if bool(body.url) != bool(body.key):
        raise InputError("key", "names the signing key of the calls: needed with an address, and only then")
    if body.undo not in holds.UNDO:
        raise InputError("undo", f"must be one of {', '.join(holds.UNDO)}")
    if not MIN_LIMIT <= body.limit <= MAX_LIMIT:
        raise InputError("limit", f"must be between {MIN_LIMIT:.0f} and {MAX_LIMIT:.0f} seconds")
