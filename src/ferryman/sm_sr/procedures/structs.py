"""`replace` for frozen structs, typed."""

from __future__ import annotations

from typing import Any

import msgspec


def replace[S: msgspec.Struct](state: S, **changes: Any) -> S:
    """A copy of `state` with these fields changed."""
    return msgspec.structs.replace(state, **changes)
