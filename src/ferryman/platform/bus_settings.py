"""Where messages between roles travel: section [bus] of the settings."""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from ferryman.errors import InputError

IN_PROCESS: Final = "in-process"
NATS: Final = "nats"


class BusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`credentials` is the folder with the credential files of this process's roles, `ca_file` is for tls://."""

    kind: Literal["in-process", "nats"] = IN_PROCESS
    url: str = ""
    credentials: str = "credentials"
    ca_file: str = ""

    def __post_init__(self) -> None:
        if self.kind == IN_PROCESS:
            if self.url:
                raise InputError("bus.url", f'is for kind = "{NATS}" only')
            return
        try:
            address = urlsplit(self.url)
            known = address.hostname and address.port
        except ValueError:
            known = None
        if not known or address.scheme not in ("nats", "tls"):
            raise InputError("bus.url", "must be nats://HOST:PORT or tls://HOST:PORT")
        if address.username or address.password:
            raise InputError("bus.url", "holds no user: roles sign in with the keys of their credential files")
