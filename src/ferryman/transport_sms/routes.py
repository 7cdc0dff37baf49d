"""Which account sends to a number: the longest prefix first, by weight among equals, the rest in reserve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ferryman.transport_sms.account import Account

_ONLY: Final[frozenset[str]] = frozenset()


class Routes:
    """The accounts of an installation. `uniform` gives a number between two, by chance."""

    def __init__(self, accounts: Sequence[Account], uniform: Callable[[float, float], float]) -> None:
        self.accounts = tuple(accounts)
        self._uniform = uniform
        self._by_name = {account.name: account for account in accounts}

    def named(self, name: str) -> Account | None:
        """The account of this name, None when the settings have it no more."""
        return self._by_name.get(name)

    def serving(self, destination: str) -> frozenset[str]:
        """The names of the accounts that serve the number: the same few sets for all numbers."""
        if len(self.accounts) == 1:
            return _ONLY
        return frozenset(one.name for one in self.accounts if _match(one, destination) is not None)

    def candidates(self, destination: str) -> list[Account]:
        """Every sending account that serves the number, the one to try first at the beginning."""
        by_length: dict[int, list[Account]] = {}
        for account in self.accounts:
            if account.settings.sends and (length := _match(account, destination)) is not None:
                by_length.setdefault(length, []).append(account)
        ordered: list[Account] = []
        for length in sorted(by_length, reverse=True):
            ordered += self._drawn(by_length[length])
        return ordered

    def _drawn(self, accounts: list[Account]) -> list[Account]:
        """In an order where the first is each account as often as its weight says; weight 0 comes last."""
        left = [account for account in accounts if account.settings.weight]
        drawn: list[Account] = []
        while len(left) > 1:
            point = self._uniform(0.0, sum(account.settings.weight for account in left))
            for account in left:
                point -= account.settings.weight
                if point < 0:
                    break
            drawn.append(account)
            left.remove(account)
        return drawn + left + [account for account in accounts if not account.settings.weight]


def _match(account: Account, destination: str) -> int | None:
    """The length of the longest prefix that fits; an account without prefixes serves every number."""
    prefixes = account.settings.prefixes or ("",)
    return max((len(prefix) for prefix in prefixes if destination.startswith(prefix)), default=None)
