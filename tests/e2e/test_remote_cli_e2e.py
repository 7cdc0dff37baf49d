"""Commands on a platform elsewhere print what they print on the platform's own machine, over real sockets."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from structlog.testing import capture_logs

from e2e.bench import Bench, bench
from ferryman.cli.control import ControlServer
from ferryman.cli.main import app
from ferryman.cli.remote.place import current, taken_out
from ferryman.contracts.rest import KeyRole
from ferryman.errors import FerrymanError
from ferryman.rest_api.settings import RESTSettings
from rest_world import RestWorld
from rig import OWNER
from virtual_loop import virtual

REST = RESTSettings(port=0)


class Terminal:
    """Somebody who types commands, at the machine or elsewhere."""

    def __init__(self, b: Bench, keys: dict[str, str]) -> None:
        self._b = b
        self._keys = keys
        self._url = f"http://127.0.0.1:{RestWorld(b.platform.installation).rest.port}"

    async def here(self, *words: str) -> tuple[object, str]:
        return await _run([*words, "--data", str(self._b.platform.data)], {})

    async def there(self, *words: str, who: str = "tenant") -> tuple[object, str]:
        return await _run(["--server", self._url, *words], {"FERRYMAN_API_KEY": self._keys[who]})

    async def same(self, *words: str, who: str = "tenant") -> None:
        for form in ((), ("--json",)):
            assert await self.there(*words, *form, who=who) == await self.here(*words, *form), words

    async def made(self, *words: str) -> Any:
        code, text = await self.there(*words, "--json")
        assert code == 0, text
        return json.loads(text)


async def _run(words: Sequence[str], environment: dict[str, str]) -> tuple[object, str]:
    rest, place = taken_out(words, environment)
    before = current.set(place)
    out = io.StringIO()
    try:
        command, bound, _ = app.parse_args(rest, exit_on_error=False, print_error=False)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            return await command(*bound.args, **bound.kwargs), out.getvalue()
    except FerrymanError as problem:
        return 1, str(problem)
    finally:
        current.reset(before)


@contextlib.asynccontextmanager
async def terminal() -> AsyncIterator[tuple[Bench, Terminal]]:
    # The platform's log goes elsewhere: what is compared is what commands print.
    async with bench("sms", rest=REST, count=2) as b, contextlib.AsyncExitStack() as stack:
        stack.enter_context(capture_logs())
        world = RestWorld(b.platform.installation)
        keys = {"tenant": await world.token(KeyRole.ADMIN, OWNER), "staff": await world.token(KeyRole.ADMIN, "")}
        control = ControlServer(b.platform.data, b.platform.installation.bus.call)
        await control.start()
        try:
            yield b, Terminal(b, keys)
        finally:
            await control.stop()


@virtual
async def test_cards_orders_and_queue() -> None:
    async with terminal() as (b, t):
        made = await t.made("order", "create", "--eid", b.eid, "--profile-type", "demo", "--wait")
        assert (made["state"], made["status"]["status"]) == ("done", "EXECUTED_SUCCESS")
        iccid = made["iccid"]
        for words in (
            ["order", "show", made["order_id"]], ["order", "list"],
            ["template", "stock"], ["template", "low-water", "demo", "1"], ["subscription", "imports"],
            ["euicc", "show", b.eid], ["euicc", "find", "iccid", iccid], ["euicc", "find", "eid", "0" * 32],
            ["euicc", "explain", b.eid], ["euicc", "dry-run", "DeleteProfile", b.eid, iccid],
        ):  # fmt: skip
            await t.same(*words)
        audited = await t.made("es2", "audit", b.eid, "--iccid", iccid, "--wait")
        await t.same("es2", "show", audited["call_id"])
        disabled = await t.made("euicc", "disable", b.eid, iccid, "--wait")
        await t.same("operation", "show", disabled["call_id"])
        entry = (await t.made("queue", "add", b.eid, "--function", "audit", "--hold"))["entry"]
        for words in (
            ["queue", "list", b.eid],
            ["queue", "show", b.eid, entry],
            ["queue", "move", b.eid, entry, "--priority", "7"],
        ):
            await t.same(*words)
        code, text = await t.there("queue", "cancel", b.eid, entry)
        assert (code, "cancelled" in text) == (0, True)
        assert await t.there("queue", "cancel", b.eid, entry) == await t.here("queue", "cancel", b.eid, entry)
        await t.same("queue", "list", b.eid, "--all")
        assert await t.there("order", "show", "nonsense") == (1, "8.2.1/3.9 there is no order nonsense")
        code, text = await t.there("order", "create", "--eid", b.eid, "--profile-type", "none")
        assert (code, text) == await t.here("order", "create", "--eid", b.eid, "--profile-type", "none")
        assert code == 1


@virtual
async def test_batches_campaigns_and_hooks() -> None:
    async with terminal() as (b, t):
        rows = b.platform.data / "rows.csv"
        rows.write_text("eid\n" + "\n".join(b.eids) + "\n")
        made = await t.made(
            "order", "batch", "create", "spring", "--file", str(rows), "--profile-type", "demo", "--wait"
        )
        assert (made["state"], made["done"]) == ("done", 2)
        for words in (["show", "spring"], ["list"], ["rows", "spring"], ["rows", "spring", "--state", "failed"]):
            await t.same("order", "batch", *words)
        await t.made("queue", "add", "--campaign", "look", "--function", "audit", "--hold")
        code, text = await t.there("queue", "campaign", "show", "look")
        assert code == 0
        assert "all are added\n2 held" in text
        code, text = await t.there("queue", "campaign", "cancel", "look")
        assert "campaign look: audit cancelled" in text
        assert await t.there("order", "hook", "set", "--profile-type", "demo", "--at", "after-enable")
        await t.same("order", "hook", "list")
        await t.there("order", "hook", "remove", "--profile-type", "demo")
        await t.same("order", "hook", "list")


@virtual
async def test_what_is_the_platforms_own() -> None:
    async with terminal() as (b, t):
        await t.same("euicc", "info", b.eid, who="staff")
        code, _ = await t.there("euicc", "tag", b.eid, "pilot", who="staff")
        assert code == 0
        for words in (["euicc", "type", "list"], ["script", "list"], ["api-key", "list"], ["user", "list"]):
            await t.same(*words, who="staff")
        code, text = await t.there(
            "user",
            "add",
            "ada",
            "--role",
            "operator",
            who="staff",
        )
        assert code == 0
        assert len(text.strip()) >= 12
        await t.same("user", "list", who="staff")
        code, text = await t.there("euicc", "info", b.eid)  # a tenant's key
        assert code == 1
        assert "fleet:read" in text
