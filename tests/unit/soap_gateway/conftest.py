"""Certificates are made once for all tests of the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from soap_world import Party, make_party


@pytest.fixture(scope="session")
def parties(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Party]:
    folder: Path = tmp_path_factory.mktemp("parties")
    return {name: make_party(folder, name) for name in ("ours", "mno", "mno2", "dp", "eum", "sr2", "stranger")}
