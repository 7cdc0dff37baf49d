"""A card maker's delivery file read in pieces: memory stays flat, however many cards it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from ferryman.codec.eis_xml import RPS
from ferryman.errors import InputError

PIECE = 50  # cards in one call: some 300 kB, and progress every second or so
_REQUEST = f"{{{RPS}}}ES1-RegisterEISRequest"


def pieces(file: Path, *, size: int = PIECE) -> Iterator[tuple[int, bytes]]:
    """Deliveries of at most `size` cards each, with the number of their first card; raises InputError.

    A request keeps its bytes in canonical terms: the signature over its signed part stays what it was.
    """
    cards: list[bytes] = []
    number = 0
    try:
        for card in _requests(file):
            cards.append(card)
            number += 1
            if len(cards) == size:
                yield number - size + 1, _delivery(cards)
                cards = []
    except OSError as problem:
        raise InputError(str(file), f"cannot be read ({problem.strerror})") from None
    except etree.XMLSyntaxError as problem:
        raise InputError(str(file), f"is not well-formed XML behind card {number}: {problem.msg}") from None
    if cards:
        yield number - len(cards) + 1, _delivery(cards)
    if not number:
        raise InputError(str(file), "holds no ES1-RegisterEISRequest")


def _requests(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        found = etree.iterparse(
            stream, events=("end",), tag=_REQUEST, resolve_entities=False, no_network=True, load_dtd=False
        )
        for _, element in found:
            yield etree.tostring(element, with_tail=False)
            element.clear()
            while element.getprevious() is not None:
                parent = element.getparent()
                if parent is None:
                    break
                del parent[0]


def _delivery(cards: list[bytes]) -> bytes:
    return b"<delivery>" + b"".join(cards) + b"</delivery>"
