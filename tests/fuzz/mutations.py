"""Changes to octets that a fuzzer tries: blind ones, words of a format, lengths made right, and splices.

Everything is drawn from one seeded generator, so that a run repeats itself to the octet.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

MAX_STACKED = 4  # changes to one input: more seldom leave anything of the seed's structure
MAX_BLOCK = 64  # octets of one inserted, deleted or moved block
_NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0x81,
    0x82,
    0x83,
    0x84,
    0xFE,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0xFFFFFFFF,
)
_WIDTHS = (1, 1, 2, 4)


class Mutator:
    """Makes new inputs of at most `max_size` octets from old ones."""

    def __init__(self, rng: random.Random, dictionary: Sequence[bytes], max_size: int) -> None:
        self._rng = rng
        self._dictionary = tuple(dictionary)
        self._max_size = max_size
        self._changes = [
            self._flip,
            self._octet,
            self._number,
            self._insert,
            self._delete,
            self._repeat,
            self._length_of_the_rest,
            self._cut,
        ]
        if self._dictionary:
            self._changes += [self._word, self._word_over]

    def mutate(self, data: bytes, other: bytes) -> bytes:
        """`data` with one to four changes; `other` lends its octets to a splice now and then."""
        rng = self._rng
        changed = bytearray(data)
        if other and rng.random() < 0.15:
            changed = self._splice(changed, other)
        for _ in range(rng.randint(1, MAX_STACKED)):
            rng.choice(self._changes)(changed)
        return bytes(changed[: self._max_size])

    def _place(self, data: bytearray) -> int:
        return self._rng.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)

    def _octet(self, data: bytearray) -> None:
        if data:
            data[self._rng.randrange(len(data))] = self._rng.randrange(256)

    def _number(self, data: bytearray) -> None:
        width = self._rng.choice(_WIDTHS)
        at = self._place(data)
        value = self._rng.choice(_NUMBERS) & ((1 << 8 * width) - 1)
        data[at : at + width] = value.to_bytes(width)

    def _insert(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = self._rng.randbytes(self._rng.randint(1, 8))

    def _delete(self, data: bytearray) -> None:
        at = self._place(data)
        del data[at : at + self._rng.randint(1, MAX_BLOCK)]

    def _repeat(self, data: bytearray) -> None:
        """A block once more, next to itself or elsewhere."""
        at = self._place(data)
        block = data[at : at + self._rng.randint(1, MAX_BLOCK)]
        to = self._place(data)
        data[to:to] = block

    def _length_of_the_rest(self, data: bytearray) -> None:
        """A number that says how many octets follow it: what most formats here begin with."""
        width = self._rng.choice(_WIDTHS)
        at = self._place(data)
        rest = max(0, len(data) - at - width) - self._rng.choice((0, 0, 0, 1, -1, 2))
        data[at : at + width] = (max(0, rest) & ((1 << 8 * width) - 1)).to_bytes(width)

    def _cut(self, data: bytearray) -> None:
        del data[self._place(data) :]

    def _word(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = self._rng.choice(self._dictionary)

    def _word_over(self, data: bytearray) -> None:
        word = self._rng.choice(self._dictionary)
        at = self._place(data)
        data[at : at + len(word)] = word

    def _splice(self, data: bytearray, other: bytes) -> bytearray:
        return data[: self._place(data)] + other[self._rng.randrange(len(other)) :]
