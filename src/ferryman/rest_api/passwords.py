"""Passwords: Argon2id (RFC 9106), and which ones are taken (NIST SP 800-63B 5.1.1.2: length counts)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from ferryman.errors import InputError
from ferryman.platform.clock import Entropy

MIN_LENGTH = 12  # characters
MAX_LENGTH = 128  # characters: a hash of a book is work for nothing
AT_ONCE = 4  # hashes: each takes MEMORY and a core
MEMORY = 19 * 1024  # KiB (RFC 9106 4 leaves it to the machine; this is what OWASP asks for with TIME 2)
TIME = 2
MADE_OCTETS = 15  # of a password of our making: 24 characters
NO_HASH = (  # of nothing that anybody types: whoever does not exist costs the same time
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

_HASHER = PasswordHasher(time_cost=TIME, memory_cost=MEMORY, parallelism=1, type=Type.ID)


class Passwords:
    """Hashes away from the event loop; without threads in it (on a virtual clock)."""

    def __init__(self, entropy: Entropy, *, threaded: bool = True) -> None:
        self._entropy = entropy
        self._run = asyncio.to_thread if threaded else _at_once
        self._turn = asyncio.Semaphore(AT_ONCE)

    def made(self) -> str:
        """A new one-time password."""
        return base64.b32encode(self._entropy(MADE_OCTETS)).decode().lower()

    async def hashed(self, password: str) -> str:
        """The text to keep."""
        salt = self._entropy(16)
        async with self._turn:
            return await self._run(_HASHER.hash, password, salt=salt)

    async def same(self, kept: str, password: str) -> bool:
        """Whether it is the password that was hashed."""
        async with self._turn:
            return await self._run(_verify, kept or NO_HASH, password[: MAX_LENGTH + 1])


async def _at_once[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return work(*args, **kwargs)


def _verify(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def check_new(password: str, name: str) -> None:
    """Raises InputError for one that is not taken; its text is not in the message."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InputError("password", f"must have {MIN_LENGTH} to {MAX_LENGTH} characters")
    if name.lower() in password.lower() or len(set(password)) < MIN_LENGTH // 2:
        raise InputError("password", "is too easy: not the name, not the same characters over and over")
