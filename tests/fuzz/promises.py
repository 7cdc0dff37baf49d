"""What a decoder promises about any octets: a value, or one of its declared errors, and the same however cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ferryman.errors import PeerError


def declared[T](decode: Callable[[bytes], T], data: bytes, error: type[Exception] = PeerError) -> T | None:
    """What `decode` gives, or None when it refuses by the declared error."""
    try:
        return decode(data)
    except error:
        return None


def words(text: str) -> tuple[bytes, ...]:
    """Octets from hexadecimal words."""
    return tuple(bytes.fromhex(word) for word in text.split())


def same(one: object, other: object, what: str) -> None:
    """Two results that have to be equal."""
    if one != other:
        raise AssertionError(f"{what}: {one!r} is not {other!r}")


def cuts(data: bytes) -> Iterator[Iterable[bytes]]:
    """The same stream in pieces: whole, octet by octet, and in pieces whose sizes come from the data."""
    yield [data]
    yield (data[at : at + 1] for at in range(len(data)))
    sizes = [1 + octet % 23 for octet in data[:16]] or [1]
    pieces, at, turn = [], 0, 0
    while at < len(data):
        pieces.append(data[at : at + sizes[turn % len(sizes)]])
        at, turn = at + len(pieces[-1]), turn + 1
    yield pieces
