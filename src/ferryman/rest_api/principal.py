"""Who asks: the holder of an API key, or somebody who logged in."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.contracts.rest import KeyRole

KEY, ACCOUNT = "key", "account"


@dataclass(frozen=True, slots=True)
class Principal:
    """A requester that was let in; `tenant` (Mno-id) is empty for the platform's own staff.

    `scopes` take away from what the role may; empty takes nothing away. `maker` is the account that made this
    one (or this key), empty when it was made at the machine.
    """

    kind: str
    id: str
    name: str
    role: KeyRole
    tenant: str
    scopes: tuple[str, ...] = ()
    maker: str = ""
    must_change: bool = False  # an account whose password somebody else knows

    @property
    def actor(self) -> str:
        """As it stands in audit trails."""
        return f"{self.kind}/{self.id}"

    @property
    def party(self) -> str:
        """In whose name the roles behind are asked: the tenant, or which of the staff it is."""
        return self.tenant or f"staff/{self.kind}/{self.id}"
