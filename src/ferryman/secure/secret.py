"""A value that must not leak: no text form, no comparison, no copy by pickle, wiped when done with."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn, Self


class Secret:
    """Key bytes with an end of life.

    The bytes are in a buffer of our own that `close` (or leaving the `with` block) fills with zeros. What
    `reveal` has given out is an ordinary `bytes` and lives until it is collected; keep it short.
    """

    __slots__ = ("_buffer",)

    def __init__(self, value: bytes | bytearray) -> None:
        self._buffer: bytearray | None = bytearray(value)

    def reveal(self) -> bytes:
        """The bytes; ValueError when closed."""
        if self._buffer is None:
            raise ValueError("secret is closed")
        return bytes(self._buffer)

    def close(self) -> None:
        """Wipe the buffer; may be called again."""
        if self._buffer is not None:
            self._buffer[:] = bytes(len(self._buffer))
            self._buffer = None

    @property
    def closed(self) -> bool:
        """Whether the value is gone."""
        return self._buffer is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "Secret(***)"

    # An `==` on keys is a timing leak and mostly a mistake; hmac.compare_digest on revealed bytes is the way.
    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("secrets are not compared")

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("secrets are not copied or pickled")

    def __copy__(self) -> NoReturn:
        raise TypeError("secrets are not copied or pickled")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("secrets are not copied or pickled")
