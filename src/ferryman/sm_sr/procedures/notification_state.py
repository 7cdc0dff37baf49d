"""State of the procedure for notifications that end no change of ours."""

from __future__ import annotations

import msgspec

from ferryman.sm_sr.procedures.delivery import CardNotification


class NotificationState(msgspec.Struct, frozen=True, kw_only=True):
    """`pending` is being confirmed; `last` is the one whose content was taken into the EIS, once.

    Of those that may be replays: `asked` is the one that the card is asked about with command number `question`,
    `asked_about` the ISD-P that the EIS had as enabled then, `waiting` the latest that came meanwhile.
    """

    pending: CardNotification | None = None
    last: CardNotification | None = None
    sent: int = 0
    asked: CardNotification | None = None
    question: int = 0
    asked_about: bytes = b""
    waiting: CardNotification | None = None
