"""docs/settings.md names every setting with its default, and no other."""

from __future__ import annotations

import dataclasses
import json
import re
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ferryman.cli import settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
KINDS: dict[str, type[Any]] = {
    "sm_sr": settings.SRSettings,
    "sm_dp": settings.DPSettings,
    "smpp": settings.SMPPSettings,
    "https": settings.HTTPSSettings,
    "soap": settings.SOAPSettings,
    "rest": settings.RESTSettings,
    "rest.oidc": settings.OIDCSettings,
    "bus": settings.BusSettings,
    "database": settings.DatabaseSettings,
    "metrics": settings.MetricsSettings,
    "journal": settings.JournalSettings,
    "retention": settings.RetentionSettings,
}
# Not for the file: a section of its own; what a command says that only looks at records.
APART = {("rest", "oidc"), ("rest", "listen"), ("soap", "listen")}
ROW = re.compile(r"\| `(\w+)` \| (`[^`]*`|required|each role its name) \| (.+) \|")


def _page() -> dict[str, dict[str, str]]:
    """Section -> key -> default, as written."""
    found: dict[str, dict[str, str]] = {}
    for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, text = part.partition("\n")
        rows = ROW.findall(text)
        assert len(rows) == text.count("\n| `"), f"a row of {head} cannot be read"
        found[head.strip("[]")] = {key: default for key, default, _ in rows}
    return found


def _of_code(kind: type[Any]) -> dict[str, str]:
    fields: Any = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else msgspec.structs.fields(kind)
    return {one.name: _written(one.default, one.default_factory) for one in fields}


def _written(default: Any, factory: Any) -> str:
    absent = (dataclasses.MISSING, msgspec.NODEFAULT)
    if default in absent:
        return "required" if factory in absent else "each role its name"
    value = default.value if isinstance(default, Enum) else default
    if isinstance(value, tuple):
        value = [one.value if isinstance(one, Enum) else one for one in value]
    return f"`{json.dumps(value)}`"


@pytest.mark.parametrize("section", KINDS)
def test_the_page_says_what_the_code_says(section: str) -> None:
    expected = {key: value for key, value in _of_code(KINDS[section]).items() if (section, key) not in APART}
    assert _page()[section] == expected


def test_every_section_has_its_part() -> None:
    assert set(_page()) == {*settings.SECTIONS, "rest.oidc"}
    assert set(KINDS) == set(_page()) - {"log"}


def test_log_has_the_defaults_of_the_page(tmp_path: Path) -> None:
    (tmp_path / settings.FILE).write_text("[log]\n")
    loaded = settings.load(tmp_path)
    assert _page()["log"] == {"level": f'`"{loaded.log_level}"`', "format": f'`"{loaded.log_format}"`'}
