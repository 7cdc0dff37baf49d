"""What the routes work with beside the roles behind them: the tables and books of this role."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox
from ferryman.rest_api.asking import Asking
from ferryman.rest_api.keys import KeyBook
from ferryman.rest_api.settings import RESTSettings


@dataclass(frozen=True, slots=True)
class Services:
    """One of each."""

    mailbox: Mailbox
    settings: RESTSettings
    clock: Clock
    entropy: Entropy
    ask: Asking
    keys: KeyBook
