"""The pairs in `codes_of_functions.py` are those of the reference, function by function."""

from __future__ import annotations

import re

import pytest

from codes_of_functions import PAIRS
from shared_data import shared

PAIR = re.compile(r"\b\d(?:\.\d)*/\d(?:\.\d)?\b")
SECTION = re.compile(r"^### 2\.\d (ES\d)", re.MULTILINE)
BLOCK = re.compile(r"^\*\*(?:ES\d-)?(\w+)\*\* \(a?sync", re.MULTILINE)
ROW = re.compile(r"^\| (\w+) \|[^|]*\|[^|]*\|[^|]*\|([^|]*)\|$", re.MULTILINE)
LIKE = re.compile(r"as (ES\d)(?:\.(\w+))?", re.IGNORECASE)
SET = re.compile(r"the (\w+) set")
WITHOUT = re.compile(r"without (\d(?:\.\d)*)\b")
ANOTHER = re.compile(r"Njiwa answers .*?\.(?:\s|$)")  # what another implementation does is no pair of the function


def blocks(text: str, pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Name and text of each part that begins with a match, up to the next one."""
    found = list(pattern.finditer(text))
    ends = [*(match.start() for match in found), len(text)][1:]
    return [(match.group(1), text[match.start() : end]) for match, end in zip(found, ends, strict=True)]


def sentences(block: str) -> str:
    """What is said of codes: from that word to the end of its paragraph."""
    # A function without that word has those of another one, and says so at its end.
    head, _, said = block.partition("\n\n")[0].partition("odes")
    text = said or (head[head.index("As ES") :] if "As ES" in head else "")
    return ANOTHER.sub("", re.sub(r"\s+", " ", text))


def of_reference(text: str) -> dict[str, set[str]]:
    """Function -> pairs, read from the prose of 2.2 to 2.6."""
    said: dict[str, str] = {}
    for interface, section in blocks(text[: text.index("### 2.7 ")], SECTION):
        said |= {f"{interface}.{name}": sentences(block) for name, block in blocks(section, BLOCK)}
        if interface == "ES7":
            said |= {f"ES7.{name}": codes for name, codes in ROW.findall(section) if PAIR.search(codes)}

    def pairs(function: str) -> set[str]:
        words = said[function]
        interface, name = function.split(".")
        found = set(PAIR.findall(words))
        for other, same in LIKE.findall(words):
            found |= pairs(f"{other}.{same or name}")
        for same in SET.findall(words):
            found |= pairs(f"{interface}.{same}")
        for subject in WITHOUT.findall(words):
            found = {pair for pair in found if not pair.startswith(f"{subject}/")}
        return found

    return {function: pairs(function) for function in said}


def test_the_table_is_that_of_the_reference() -> None:
    text = (shared() / "reference" / "sgp02-interfaces.md").read_text(encoding="utf-8")
    found = of_reference(text)
    assert {name: set(pairs) for name, pairs in PAIRS.items()} == found
    assert sum(map(len, found.values())) == sum(map(len, PAIRS.values())), "each pair once"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Codes: 8.1/1.2; 1.2/3.", {"8.1/1.2", "1.2/3"}),
        ("Codes: as ES4.Other without 8.4, plus 8.7/3.9.", {"8.1/3.9", "8.7/3.9"}),
        ("Codes [C:P]: the Other set plus 8.1/3.8.", {"8.1/3.9", "8.4/4.2", "8.1/3.8"}),
        ("As ES4.Other [C:P].", {"8.1/3.9", "8.4/4.2"}),
        ("Codes: 8.1/1.2. Njiwa answers 8.1/4.2 then.", {"8.1/1.2"}),
    ],
)
def test_how_the_reference_is_read(words: str, expected: set[str]) -> None:
    text = (
        f"### 2.5 ES4\n\n**Function** (sync). In: a.\n- more. {words}\n\nElse 9.9/9.9.\n\n"
        "**Other** (async). Out. Codes: 8.1/3.9; 8.4/4.2.\n\n### 2.7 Names\n8.8/8.8"
    )
    assert of_reference(text) == {"ES4.Function": expected, "ES4.Other": {"8.1/3.9", "8.4/4.2"}}
