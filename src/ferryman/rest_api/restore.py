"""After the REST API's database was restored from a copy: no one-time code is good a second time (RFC 6238 5.2).

What accounts count is time itself: the code of this moment, and the next one, may have been used before the loss.
"""

from __future__ import annotations

from sqlalchemy import Connection, update

from ferryman.rest_api.schema import account
from ferryman.rest_api.totp import last_step


def advance_codes(connection: Connection, now: float) -> None:
    """From here on only codes are good that nobody could have used up to `now`."""
    used = last_step(now)
    connection.execute(update(account).where(account.c.totp_step < used).values(totp_step=used))
