"""Which context a script runs in: its own, that of the session, or that of a chain (TS 102 226 5.2.1.3.1).

Over SMS every script stands alone unless a script chaining TLV joins it to others; over HTTPS the scripts
of one administration session share a context. A chain belongs to its target and survives between bearers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ferryman_sim.card import script
from ferryman_sim.card.context import Context
from ferryman_sim.card.core import Core


class ChainBroken(Exception):
    """The chaining TLV cannot be obeyed; `code` is the value of the answer's `83` TLV."""

    def __init__(self, code: int) -> None:
        super().__init__(f"script chaining error {code:02X}")
        self.code = code


@dataclass(slots=True)
class _Chain:
    context: Context
    kept: bool


@dataclass(slots=True)
class Dialogues:
    """All contexts alive in the RAM of the card; a chain to be kept over a reset is in the state too."""

    core: Core
    session: Context = field(default_factory=Context)
    chains: dict[bytes, _Chain] = field(default_factory=dict)
    between_sms: Context = field(default_factory=Context)

    def __post_init__(self) -> None:
        self._restore()

    def _restore(self) -> None:
        stored = self.core.state.chain
        if stored is not None:
            context = Context.from_dict(stored["context"])
            self.chains[bytes.fromhex(stored["target"])] = _Chain(context, kept=True)

    def reset(self) -> None:
        """UICC reset: everything goes but a chain that asked to be kept."""
        self.end_session()
        self.chains.clear()
        self.between_sms = Context()
        self.core.status_left.clear()
        self._restore()

    def end_session(self) -> None:
        """The administration session is over."""
        self.session = Context()

    def choose(self, target: bytes, via: str, chaining: int | None) -> Context:
        """The context of a script; `chaining` is the value of its `83` TLV. Raises ChainBroken."""
        if chaining is None:
            if via == "https":
                return self.session
            return self.between_sms if self.core.quirk("keep_context_between_sms") else Context()
        if chaining in (script.CHAIN_FIRST, script.CHAIN_FIRST_KEPT):
            self.chains[target] = _Chain(Context(), kept=chaining == script.CHAIN_FIRST_KEPT)
        elif chaining not in (script.CHAIN_NEXT, script.CHAIN_LAST):
            raise ChainBroken(script.CHAIN_NOT_SUPPORTED)
        elif target not in self.chains:
            raise ChainBroken(script.CHAIN_NO_PREVIOUS)
        return self.chains[target].context

    def finished(self, target: bytes, chaining: int | None) -> None:
        """A script is done: close its chain, or keep the chain's context in the state."""
        if chaining is None:
            return
        if chaining == script.CHAIN_LAST:
            del self.chains[target]
        kept = [(aid, chain) for aid, chain in self.chains.items() if chain.kept]
        # One chain at a time can be kept: the card reserves memory for one.
        self.core.state.chain = (
            {"target": kept[-1][0].hex(), "context": kept[-1][1].context.to_dict()} if kept else None
        )
