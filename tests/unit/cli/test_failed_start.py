"""A start that fails closes what it has opened: whoever tries again, or goes on, finds nothing left of it."""

from __future__ import annotations

import gc
import os
import socket
import warnings
from pathlib import Path

import pytest

from ferryman.cli.settings import FILE, load
from ferryman.cli.wiring import Installation
from ferryman.errors import FerrymanError
from parties import make_party

SECTIONS = ("https", "rest", "soap")


def left_open(folder: Path) -> list[str]:
    """Files of a data directory that this process has open."""
    found = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if _is_open(number)]
    return [name for name in found if name.startswith(str(folder))]


def _is_open(number: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{number}")


@pytest.mark.parametrize("section", SECTIONS)
async def test_a_port_that_somebody_has(section: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = f'[{section}]\nhost = "127.0.0.1"\nport = {port}\n'
        if section == "soap":
            ours = make_party(tmp_path, "ours")
            text += f'certificate_file = "{ours.certificate_file}"\nkey_file = "{ours.key_file}"\n'
        (tmp_path / FILE).write_text(text)
        installation = Installation(load(tmp_path).configuration())
        with pytest.raises(FerrymanError, match="in use"):
            await installation.start()
        assert not installation.is_started
        assert left_open(tmp_path) == []
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            gc.collect()
    again = Installation(load(tmp_path).configuration())
    await again.start()
    assert left_open(tmp_path)
    await again.stop()
    assert left_open(tmp_path) == []
