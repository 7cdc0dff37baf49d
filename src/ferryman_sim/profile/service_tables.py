"""EF UST and EF IST: the card clears what it lacks (profile-package.md 2.2; TS 31.102 4.2.8, 31.103 4.2.7)."""

from __future__ import annotations

from typing import NamedTuple

from .build import Build
from .filesystem import ElementaryFile


class _Entry(NamedTuple):
    """A numbered service (from 1) in the table of an application, and the card service it stands on."""

    service: str
    kind: str
    file_id: int
    number: int


EF_UST, EF_IST = 0x6F38, 0x6F07

ENTRIES = (
    _Entry("gba-usim", "usim", EF_UST, 68),
    _Entry("gba-usim", "usim", EF_UST, 76),
    _Entry("mbms", "usim", EF_UST, 69),
    _Entry("get-identity", "usim", EF_UST, 125),
    _Entry("gba-isim", "isim", EF_IST, 2),
    _Entry("gba-isim", "isim", EF_IST, 4),
)


def clear_lacking(build: Build) -> None:
    """Switch off what the files promise and this card cannot do."""
    for naa in build.naas:
        for entry in ENTRIES:
            file = naa.directory.children.get(entry.file_id)
            if naa.kind != entry.kind or entry.service not in build.limits.services:
                continue
            byte, bit = divmod(entry.number - 1, 8)
            if isinstance(file, ElementaryFile) and byte < len(file.content):
                file.content[byte] &= ~(1 << bit)
