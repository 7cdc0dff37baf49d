"""State of the procedure for notifications that end no change of ours."""

from __future__ import annotations

import msgspec

from ferryman.sm_sr.procedures.delivery import CardNotification


class NotificationState(msgspec.Struct, frozen=True, kw_only=True):
    """`pending` is being confirmed; `last` is the one whose content was taken into the EIS, once."""

    pending: CardNotification | None = None
    last: CardNotification | None = None
    sent: int = 0
