"""PUT KEY data fields (GlobalPlatform Card Specification 11.8, Amendment D 7.2 for AES keys)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ferryman_sim.card import crypto
from ferryman_sim.card.apdu import SW_KEY_CHECK, SW_KEY_TYPE, SW_WRONG_DATA, CommandError

TYPE_PSK = 0x85
TYPE_AES = 0x88
KEY_BYTES = 16
"""Every key here is AES-128 or a PSK of the same length, bytes."""

_FIELD = 3 + KEY_BYTES + 4
"""One key: type, length 11, key length 10, ciphered key, KCV length 03, KCV."""


@dataclass(frozen=True, slots=True)
class PutKey:
    """New key version, the keys in order of their ids, and what the card answers (version and check values)."""

    kvn: int
    keys: tuple[bytes, ...] = field(repr=False)
    answer: bytes


def read_put_key(data: bytes, types: tuple[int, ...], dek: bytes) -> PutKey:
    """Read keys of the given `types` ciphered under `dek` (AES-CBC, zero IV).

    Raises CommandError: 6A80 structure, 9484 type, 9485 check value.
    """
    if not data:
        raise CommandError(SW_WRONG_DATA)
    keys: list[bytes] = []
    answer = data[:1]
    rest = data[1:]
    for expected in types:
        if len(rest) < _FIELD:
            raise CommandError(SW_WRONG_DATA)
        if rest[0] != expected:
            raise CommandError(SW_KEY_TYPE)
        if rest[1] != 1 + KEY_BYTES or rest[2] != KEY_BYTES or rest[3 + KEY_BYTES] != 3:
            raise CommandError(SW_WRONG_DATA)
        key = crypto.cbc_decrypt(dek, bytes(crypto.BLOCK), rest[3 : 3 + KEY_BYTES])
        check = rest[_FIELD - 3 : _FIELD]
        if not crypto.same(crypto.key_check_value(key), check):
            raise CommandError(SW_KEY_CHECK)
        keys.append(key)
        answer += check
        rest = rest[_FIELD:]
    if rest:
        raise CommandError(SW_WRONG_DATA)
    return PutKey(data[0], tuple(keys), answer)
