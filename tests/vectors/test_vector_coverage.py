"""Every reference vector of an area that is built is a parameter of some test; the other areas are named here."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared_data import REPOSITORY, shared, vectors

TESTS = REPOSITORY / "tests"

# Vector file -> test modules whose parameters hold every vector of it.
SERVER = {
    "ecka_kdf": ("vectors/test_ecka_kdf_vectors.py",),
    "milenage": ("vectors/test_ecka_kdf_vectors.py",),
    "remote_apdu": ("vectors/test_remote_apdu_vectors.py", "unit/codec/test_isdr_commands.py"),
    "scp03": ("vectors/test_scp03_vectors.py",),
    "scp03t": ("vectors/test_scp03t_vectors.py",),
    "scp80_bip": ("vectors/test_scp80_vectors.py",),
    "scp80_negative": ("vectors/test_scp80_vectors.py",),
    "scp80_sms_command": ("vectors/test_scp80_vectors.py",),
    "scp80_sms_response": ("vectors/test_scp80_vectors.py",),
    "scp81_http": ("vectors/test_scp81_http_vectors.py",),
    "sgp02_session": ("vectors/test_scp81_http_vectors.py",),
    "smpp": ("vectors/test_smpp_vectors.py",),
    "sms_tpdu": ("vectors/test_sms_tpdu_vectors.py",),
    "tls_psk": ("vectors/test_tls_psk_vectors.py",),
}
# Only the simulator computes these; the server hands authentication values to the card and never uses them.
SIMULATOR = {
    "tuak": ("unit/sim_profile/test_sim_aka.py",),
    "usim_auth": ("unit/sim_profile/test_sim_aka.py", "unit/sim_network/test_sim_hlr.py"),
}
NOT_BUILT = {
    "cat_tp": "the CAT_TP transport is absent (README)",
    "bsp": "protection of SGP.22 packages is absent: there is no SM-DP+ (README)",
}


def names() -> list[str]:
    folder = shared("reference", "vectors")
    return sorted(path.stem for path in folder.glob("*.json") if path.stem != "manifest")


def module(path: str) -> ModuleType:
    """A test module, imported under a name of its own."""
    name = "coverage_of_" + Path(path).stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, TESTS / path)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        sys.modules[name] = made
        spec.loader.exec_module(made)
    return sys.modules[name]


def texts(value: Any) -> set[str]:
    """Canonical text of every dictionary in a parameter."""
    if isinstance(value, dict):
        return {json.dumps(value, sort_keys=True, default=str)}
    if isinstance(value, tuple | list):  # also pytest.param
        return {text for item in value for text in texts(item)}
    return set()


def parameters(path: str) -> set[str]:
    """Everything the tests of a module are parametrised with."""
    found: set[str] = set()
    for test in vars(module(path)).values():
        for mark in getattr(test, "pytestmark", ()) if callable(test) else ():
            if mark.name == "parametrize":
                found |= texts(list(mark.args[1]))
    return found


def test_every_file_has_its_place() -> None:
    assert set(names()) == set(SERVER) | set(SIMULATOR) | set(NOT_BUILT)


@pytest.mark.parametrize("area", sorted(SERVER | SIMULATOR))
def test_every_vector_is_used(area: str) -> None:
    shared("reference", "vectors", f"{area}.json")
    paths = (SERVER | SIMULATOR)[area]
    used = set[str]().union(*(parameters(path) for path in paths))
    source = "".join((TESTS / path).read_text() for path in paths)
    missing = [
        vector["id"]
        for vector in vectors(area)
        if not (texts(vector) | texts(vector["input"])) & used and f'"{vector["id"]}"' not in source
    ]
    assert missing == []
