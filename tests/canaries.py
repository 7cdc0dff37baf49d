"""Looking for secrets where none may be: their bytes in every spelling a program would give them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path

ALIGNMENTS = 3  # a value inside a longer base64 text begins at one of three places of a group


def spellings(secret: bytes) -> set[bytes]:
    """Raw, hexadecimal in both cases and with separators, base64 at every alignment, as Python shows it."""
    upper = secret.hex().upper()
    found = {secret, upper.encode(), upper.lower().encode()}
    for separator in (" ", ":"):
        found |= {secret.hex(separator).encode(), secret.hex(separator).upper().encode()}
    found.add(repr(secret)[2:-1].encode())
    for offset in range(ALIGNMENTS):
        coded = base64.b64encode(bytes(offset) + secret)
        # Characters that also hold bits of a neighbour are cut off at both ends.
        first = -(-offset * 8 // 6)
        last = (offset + len(secret)) * 8 // 6
        inner = coded[first:last]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


class Canaries:
    """Named secrets."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        short = [name for name, secret in secrets.items() if len(secret) < 8]
        assert not short, f"too short to be looked for: {short}"
        self._spellings = {name: spellings(secret) for name, secret in secrets.items()}

    def __len__(self) -> int:
        return len(self._spellings)

    def within(self, text: bytes | str) -> list[str]:
        """Names of the secrets that stand in `text`."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        return [name for name, forms in self._spellings.items() if any(form in data for form in forms)]

    def within_any(self, texts: Iterable[bytes | str]) -> list[str]:
        """The same for many texts."""
        return sorted({name for text in texts for name in self.within(text)})

    def within_files(self, folder: Path) -> list[str]:
        """`file: secret` for every file below a folder."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return [f"{path.name}: {name}" for path in files for name in self.within(path.read_bytes())]
