"""Requests about what is done with a card against the will of its profiles."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ferryman.rest_api.bodies import ICCID, Closed, Seconds

TOKEN_OCTETS = 16  # AES-CMAC
_Identity = Annotated[bytes, msgspec.Meta(max_length=16)]


class NewMasterDelete(Closed, frozen=True, kw_only=True):
    """Which profile; the `token` of its SM-DP with what it covers, or the order of ours that installed it.

    `sin`, `sdin`, `provider` and `token_id` are tags 42, 45, 5F20 and 93. Octets are base64.
    """

    iccid: ICCID
    order_id: Annotated[str, msgspec.Meta(max_length=100)] = ""
    token: Annotated[bytes, msgspec.Meta(max_length=TOKEN_OCTETS)] = b""
    sin: _Identity = b""
    sdin: _Identity = b""
    provider: _Identity = b""
    token_id: _Identity = b"\x01"
    validity: Seconds = 86_400.0
