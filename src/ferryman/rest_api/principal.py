"""Who asks: the holder of an API key, or somebody who logged in."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.contracts.rest import KeyRole

KEY, ACCOUNT = "key", "account"


@dataclass(frozen=True, slots=True)
class Principal:
    """A requester that was let in; `tenant` (Mno-id) is empty for the platform's own staff.

    `scopes` take away from what the role may; empty takes nothing away. `maker` names, with blanks between them,
    the hands of who made this account or key, or knew its password last; empty when that was at the machine, or an
    OpenID provider.
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
    def hands(self) -> frozenset[str]:
        """Who can act as this one: itself, who made it or knew its password last, and who could act as those.

        Two are two people only when they have no hand in common.
        """
        return frozenset((self.actor, *self.maker.split()))

    @property
    def party(self) -> str:
        """In whose name the roles behind are asked: the tenant, or which of the staff it is."""
        return self.tenant or f"staff/{self.kind}/{self.id}"
