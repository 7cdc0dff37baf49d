"""NATS as the bus between processes, opened for one role.

NATS is an optional extra (`ferryman[nats]`); its modules are imported only where it is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ferryman.errors import InputError
from ferryman.platform.bus import Bus, Calls, InProcessBus
from ferryman.platform.bus_settings import BusSettings
from ferryman.platform.clock import Clock, Entropy

if TYPE_CHECKING:
    from ferryman.platform.nats_bus import NatsBus


class Way(Bus, Calls, Protocol):
    """What a role sends and asks through."""


def open_broker(
    settings: BusSettings,
    role: str,
    *,
    clock: Clock,
    entropy: Entropy,
    local: InProcessBus | None = None,
    local_roles: frozenset[str] = frozenset(),
) -> NatsBus:
    """A role's connection, not started yet; raises InputError without the extra or the credential."""
    need_extra()
    from ferryman.platform.nats_bus import NatsBus
    from ferryman.platform.nats_credentials import load as load_credential

    return NatsBus(
        settings=settings,
        credential=load_credential(Path(settings.credentials), role),
        clock=clock,
        entropy=entropy,
        local=local,
        local_roles=local_roles,
    )


def need_extra() -> None:
    """Raises InputError where the extra is not installed."""
    try:
        import nats  # noqa: F401
        import nkeys  # noqa: F401
    except ImportError:
        raise InputError("bus.kind", "needs the extra `nats` (install ferryman[nats])") from None
