"""Cards' SCP80 keys with their cipher objects kept, for as long as what is stored is what they were made from.

Each look-up reads the stored value, which another process may have replaced or destroyed; only opening it and
setting up the ciphers is saved. A key whose stored value has changed or gone is dropped at that look-up, one that
is not used at last by those that are. For the event loop's thread alone: the cipher objects belong to one thread.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from sqlalchemy import Connection

from ferryman.crypto_server.vault import Vault
from ferryman.secure.card_key import CardKey

MAX_KEPT: Final = 4_000  # keys: two for each card in the midst of a download; about 2 KiB each


class CardKeyCache:
    """See the module's text."""

    def __init__(self, vault: Vault, size: int = MAX_KEPT) -> None:
        self._vault = vault
        self._size = size
        self._kept: OrderedDict[str, tuple[bytes, CardKey]] = OrderedDict()

    def __repr__(self) -> str:
        return f"CardKeyCache({len(self._kept)} keys)"

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, connection: Connection, ref: str) -> CardKey | None:
        """The key under a reference, None when there is none. Raises InputError when its value does not open."""
        sealed = self._vault.sealed(connection, ref)
        kept = self._kept.get(ref)
        if sealed is None:
            self._kept.pop(ref, None)
            return None
        if kept is not None and kept[0] == sealed:
            self._kept.move_to_end(ref)
            return kept[1]
        # A value that is sealed anew has another nonce, so equal octets are the very same key.
        key = CardKey(self._vault.open(ref, sealed))
        self._kept[ref] = (sealed, key)
        self._kept.move_to_end(ref)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return key
