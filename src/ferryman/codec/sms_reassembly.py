"""Putting concatenated short messages together again, in bounded memory (3GPP TS 23.040 9.2.3.24.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ferryman.codec.sms_user_data import Kind, UserData

# A card answers within minutes; what is not complete by then will never be.
EXPIRY_SECONDS = 600.0
# Answers of one card are few at a time; more is a flood, forged or not.
MAX_PER_SENDER = 8
# 1024 messages of 255 parts of 134 bytes are 35 MB, the most this table may ever hold.
MAX_MESSAGES = 1024

type _Key = tuple[str, int, int, int]


@dataclass(slots=True)
class _Partial:
    started: float
    parts: dict[int, bytes] = field(default_factory=dict)
    kind: Kind | None = None


class Reassembler:
    """Collects parts by (sender, reference, size of the reference, total); pure: the time is an argument.

    Over a limit the oldest message (of the sender, or of all) is given up. Not thread-safe.
    """

    def __init__(
        self,
        *,
        expiry: float = EXPIRY_SECONDS,
        per_sender: int = MAX_PER_SENDER,
        max_messages: int = MAX_MESSAGES,
    ) -> None:
        self._expiry = expiry
        self._per_sender = per_sender
        self._max_messages = max_messages
        self._partials: dict[_Key, _Partial] = {}  # in order of their first part
        self._by_sender: dict[str, dict[_Key, None]] = {}

    @property
    def pending(self) -> int:
        """Number of messages that wait for parts."""
        return len(self._partials)

    def add(self, sender: str, part: UserData, now: float) -> UserData | None:
        """Take one message; the whole user data (no concatenation element any more) once it is complete.

        A part with number 0 or above the total is dropped (9.2.3.24.1). A part that came before is ignored when
        it is equal; when it differs, the sender has used the reference for a new message, which starts then.
        """
        self.expire(now)
        concat = part.concat
        if concat is None:
            return part
        if not 1 <= concat.sequence <= concat.total:
            return None
        if concat.total == 1:
            return UserData(part.kind, None, part.payload)
        key = (sender, concat.reference, concat.bits, concat.total)
        partial = self._partials.get(key)
        if partial is not None and partial.parts.get(concat.sequence, part.payload) != part.payload:
            self._drop(key)
            partial = None
        if partial is None:
            partial = self._start(key, now)
        partial.parts[concat.sequence] = part.payload
        # 70 or 71 stands in the first part only.
        if part.kind is not None:
            partial.kind = part.kind
        if len(partial.parts) < concat.total:
            return None
        self._drop(key)
        payload = b"".join(partial.parts[number] for number in range(1, concat.total + 1))
        return UserData(partial.kind, None, payload)

    def expire(self, now: float) -> int:
        """Give up what is older than the expiry time; how many messages were given up."""
        old = []
        for key, partial in self._partials.items():
            if now - partial.started < self._expiry:
                break
            old.append(key)
        for key in old:
            self._drop(key)
        return len(old)

    def _start(self, key: _Key, now: float) -> _Partial:
        own = self._by_sender.setdefault(key[0], {})
        if len(own) >= self._per_sender:
            self._drop(next(iter(own)))
        elif len(self._partials) >= self._max_messages:
            self._drop(next(iter(self._partials)))
        partial = self._partials[key] = _Partial(now)
        self._by_sender.setdefault(key[0], {})[key] = None
        return partial

    def _drop(self, key: _Key) -> None:
        del self._partials[key]
        own = self._by_sender[key[0]]
        del own[key]
        if not own:
            del self._by_sender[key[0]]
