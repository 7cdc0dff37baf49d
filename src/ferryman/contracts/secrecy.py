"""Which fields are secrets, by their names; and messages that do not show them when they are printed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import msgspec

HIDDEN = "***"
MAX_NAMES = 1024  # names of fields whose verdict is kept at hand; the code has some hundred

# Parts of a field's name (between underscores) that make it a secret anywhere, and those that do at its end:
# `kic_value` and `session_key` are hidden, `key_version` and `token_id` are not.
SECRET_PARTS = frozenset(
    (
        *("ki", "opc", "op", "k", "kic", "kid", "kik", "psk", "dek", "kenc", "kmac", "shs"),
        *("pin", "puk", "adm", "password", "passphrase", "secret", "secrets", "csv", "private"),
    )
)
SECRET_ENDS = frozenset(("key", "keys", "keyset", "keysets", "enc", "mac", "token", "tokens", "csrf"))


@lru_cache(MAX_NAMES)
def is_secret(name: str) -> bool:
    """Whether a field of this name must not be shown."""
    parts = name.lower().split("_")
    if "public" in parts:
        return False
    return not SECRET_PARTS.isdisjoint(parts) or parts[-1] in SECRET_ENDS


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """A struct whose `repr` hides fields that are named like secrets, and those that `hidden` names."""

    hidden: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        fields = ", ".join(
            f"{name}={HIDDEN if self._is_hidden(name, value) else repr(value)}"
            for name, value in ((name, getattr(self, name)) for name in self.__struct_fields__)
        )
        return f"{type(self).__name__}({fields})"

    def _is_hidden(self, name: str, value: Any) -> bool:
        """A number, a switch and nothing are no secrets; a struct shows what it likes itself."""
        if not value or isinstance(value, bool | int | float | msgspec.Struct):
            return False
        if isinstance(value, tuple) and all(isinstance(one, msgspec.Struct) for one in value):
            return False
        return name in self.hidden or is_secret(name)
