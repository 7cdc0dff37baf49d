"""Where the roles' databases are: section [database] of the settings."""

from __future__ import annotations

import string
from urllib.parse import urlsplit

import msgspec

from ferryman.errors import InputError

SCHEME = "postgresql"
MOST_SECONDS = 600.0  # for one commit: longer than that nobody waits


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Without `url` each role has an SQLite file in the data directory, else a PostgreSQL database of its own.

    `url` is postgresql://USER@HOST:PORT/DATABASE, in which `{role}` stands for the name of the role (with `_` for
    `-`): each role should have a user of its own that may open no other database. `password_file` likewise, and
    `ca_file`; with the latter the server must show a certificate of that CA for its name. `limit` is how many
    seconds a commit or a read may take until its outcome counts as unknown.
    """

    url: str = ""
    password_file: str = ""
    ca_file: str = ""
    limit: float = 30.0

    def __post_init__(self) -> None:
        if not self.url:
            for name in ("password_file", "ca_file"):
                if getattr(self, name):
                    raise InputError(f"database.{name}", "is for PostgreSQL: give database.url")
            return
        if not 1.0 <= self.limit <= MOST_SECONDS:
            raise InputError("database.limit", f"must be between 1 and {MOST_SECONDS:g} seconds")
        for name in ("url", "password_file"):
            _check_names(name, getattr(self, name))
        try:
            address = urlsplit(self.of_role("sm-sr"))
            complete = address.hostname and address.username and address.path.strip("/") and address.port != 0
        except ValueError:
            complete = None
        if not complete or address.scheme != SCHEME or address.query or address.fragment:
            raise InputError("database.url", f"must be {SCHEME}://USER@HOST:PORT/DATABASE")
        if address.password is not None:
            raise InputError("database.url", "holds no password: name a database.password_file")
        if "{role}" not in address_path(self.url):
            raise InputError("database.url", "must name another database for each role: write {role} in its name")

    def of_role(self, role: str) -> str:
        """The address of a role's database."""
        return self.url.format(role=role.replace("-", "_"))

    def password_file_of(self, role: str) -> str:
        """Name of the file with the password of a role's user; empty when there is none."""
        return self.password_file.format(role=role.replace("-", "_"))


def address_path(url: str) -> str:
    """The part of an address that names the database."""
    return url.rpartition("/")[2]


def _check_names(field: str, text: str) -> None:
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        names = {"?"}
    if not names <= {"role"}:
        raise InputError(f"database.{field}", "may hold {role} and no other name in braces")
