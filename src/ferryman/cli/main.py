"""`ferryman`: the command line. Exit 0 done, 1 failed, 2 wrong usage; an error is one sentence."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cyclopts import App, CycloptsError

from ferryman import __version__
from ferryman.cli import (
    batch_commands,
    commands,
    euicc_commands,
    hold_commands,
    openpgp_commands,
    order_commands,
    output,
    subscription_commands,
    trust_commands,
)
from ferryman.cli.api_key_commands import api_key
from ferryman.cli.approval_commands import approval
from ferryman.cli.card_commands import operation
from ferryman.cli.demo import demo
from ferryman.cli.es2_commands import app as es2
from ferryman.cli.maintenance import parked, procedure
from ferryman.cli.nats_commands import nats_config, nats_streams
from ferryman.cli.peer_commands import peer
from ferryman.cli.profile_commands import profile
from ferryman.cli.queue_commands import queue
from ferryman.cli.remote import place
from ferryman.cli.remote.reach import MACHINE
from ferryman.cli.restore import restore
from ferryman.cli.script_commands import script
from ferryman.cli.serve import serve
from ferryman.cli.up import up
from ferryman.cli.user_commands import user
from ferryman.cli.watch_commands import alarm, audit
from ferryman.errors import FerrymanError, InputError
from ferryman.platform import loop

app = App(
    name="ferryman",
    help="Open eSIM subscription management (GSMA SGP.02): SM-DP and SM-SR. With --server URL (or "
    "FERRYMAN_SERVER) the platform is one elsewhere, asked over its REST API with the key in FERRYMAN_API_KEY "
    "or in the file that FERRYMAN_API_KEY_FILE names; FERRYMAN_CA_FILE names the CAs to believe.",
    version=__version__,
    result_action="return_value",
)
for group in (*commands.ALL, subscription_commands.subscription):
    app.command(group)
commands.euicc.command(euicc_commands.types)
commands.order.command(batch_commands.batch)
commands.order.command(hold_commands.hook)
app.command(script)
for section, name, function in (
    *(*order_commands.COMMANDS, *hold_commands.COMMANDS),
    *(*trust_commands.COMMANDS, *openpgp_commands.COMMANDS),
):
    section.command(function, name=name)
app.command(operation)
app.command(queue)
app.command(es2)
app.command(profile)
app.command(parked)
app.command(peer)
app.command(api_key)
app.command(user)
app.command(approval)
app.command(alarm)
app.command(audit)
app.command(procedure)
app.command(up)
app.command(serve)
app.command(restore)
app.command(nats_config)
app.command(nats_streams)
app.command(demo)
SERVICES = (up, serve)  # run for long: worth the loading of a quicker event loop


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    json = "--json" in words
    before = place.current.set(None)
    try:
        words, elsewhere = place.taken_out(words, os.environ)
        place.current.set(elsewhere)
        if elsewhere is not None:
            _require_reachable(words)
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        result = _run(command, bound)
    except CycloptsError as problem:
        output.fail(_sentence(problem), json=json)
        sys.exit(output.USAGE)
    except FerrymanError as problem:
        output.fail(str(problem), json=json)
        sys.exit(output.FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        place.current.reset(before)
    sys.exit(result if isinstance(result, int) else output.DONE)


def _require_reachable(words: Sequence[str]) -> None:
    chain = " ".join(app.parse_commands(words)[0])
    if chain in MACHINE:
        raise InputError(place.OPTION, f"`ferryman {chain}` is for the platform's own machine: {MACHINE[chain]}")


def _run(command: Callable[..., Any], bound: inspect.BoundArguments) -> object:
    result = command(*bound.args, **bound.kwargs)
    if not inspect.iscoroutine(result):
        return result
    return loop.run(result) if command in SERVICES else asyncio.run(result)


def _sentence(problem: CycloptsError) -> str:
    text = " ".join(str(problem).split())
    return f"{text} (see ferryman --help)"


if __name__ == "__main__":
    main()
