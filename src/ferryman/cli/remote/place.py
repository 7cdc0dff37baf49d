"""Which platform a command is about: the one of the data directory, or one elsewhere, and how to reach that."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from ferryman.errors import InputError

OPTION, DATA, OWNER = "--server", "--data", "--owner"
URL, KEY, KEY_FILE, CA_FILE = "FERRYMAN_SERVER", "FERRYMAN_API_KEY", "FERRYMAN_API_KEY_FILE", "FERRYMAN_CA_FILE"
USER, PASSWORD, PASSWORD_FILE = "FERRYMAN_USER", "FERRYMAN_PASSWORD", "FERRYMAN_PASSWORD_FILE"
CODE = "FERRYMAN_CODE"  # the one-time code of this moment, where the account has codes
MAX_SECRET_FILE = 4096  # octets; a key has less than 100, a password not many more


@dataclass(frozen=True, slots=True)
class Place:
    """A platform elsewhere. Secrets come from the environment or files: arguments show in lists of processes.

    Who asks is an API key, or with `user` a person who logs in for the one command.
    """

    url: str
    key: str = field(repr=False)
    ca_file: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    code: str = field(default="", repr=False)


current: ContextVar[Place | None] = ContextVar("place", default=None)


def taken_out(words: Sequence[str], environment: Mapping[str, str]) -> tuple[list[str], Place | None]:
    """The words without `--server URL`, and the place that it or FERRYMAN_SERVER names; raises InputError.

    The option stands before or behind the command; what follows a `--` is not looked at. --data names a platform
    of this machine: it goes before FERRYMAN_SERVER, and not together with --server.
    """
    rest: list[str] = []
    url, local, explicit = environment.get(URL, ""), False, False
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            rest += [word, *waiting]
            break
        if word == OPTION:
            if not waiting:
                raise InputError(OPTION, "needs the URL of a platform")
            url, explicit = waiting.pop(0), True
        elif word.startswith(f"{OPTION}="):
            url, explicit = word.removeprefix(f"{OPTION}="), True
        else:
            local = local or word == DATA or word.startswith(f"{DATA}=")
            rest.append(word)
    if local and explicit:
        raise InputError(OPTION, f"does not go with {DATA}")
    if not url or local:
        return rest, None
    if any(word == OWNER or word.startswith(f"{OWNER}=") for word in rest):
        raise InputError(OWNER, f"does not go with {OPTION}: the API key says who asks")
    ca_file = environment.get(CA_FILE, "")
    if user := environment.get(USER, ""):
        if environment.get(KEY, "") or environment.get(KEY_FILE, ""):
            raise InputError(USER, f"does not go with an API key: unset {KEY} and {KEY_FILE}, or {USER}")
        password = _secret(environment, PASSWORD, PASSWORD_FILE, f"a password of {user}")
        return rest, Place(url, "", ca_file, user, password, environment.get(CODE, ""))
    return rest, Place(url, _secret(environment, KEY, KEY_FILE, "an API key"), ca_file)


def _secret(environment: Mapping[str, str], own: str, in_file: str, what: str) -> str:
    if secret := environment.get(own, ""):
        return secret.strip()
    name = environment.get(in_file, "")
    if not name:
        raise InputError(OPTION, f"needs {what} in {own}, or in a file that {in_file} names")
    path = Path(name)
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError(name, "others may read or write it: chmod 600")
            return file.read(MAX_SECRET_FILE).strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(name, f"is no file with {what} ({type(problem).__name__})") from None
