"""Commands of the command line on one platform in both ways: at its machine, and from elsewhere over REST."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclopts import App
from structlog.testing import capture_logs

from ferryman.cli.control import ControlServer
from ferryman.cli.main import app
from ferryman.cli.maintenance import Maintenance
from ferryman.cli.remote.place import current, taken_out
from ferryman.contracts.maintenance import MAINTENANCE
from ferryman.contracts.rest import KeyRole
from ferryman.errors import FerrymanError
from rest_world import RestWorld

TENANT, STAFF = "tenant", "staff"
MADE = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{16,64}(?![0-9a-zA-Z])")  # identifiers, which each call gets anew
MOMENT = re.compile(r"\b1[0-9]{9}(\.[0-9]+)?\b|\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]+(\+00:00|Z)?")


@dataclass(frozen=True, slots=True)
class Step:
    """A command with {names} in it; `who` asks from elsewhere. `before`: what makes each run find the same.

    `anew`: each run makes another of the same kind: identifiers and times are not compared.
    """

    words: str
    who: str = TENANT
    anew: bool = False
    code: int = 0
    before: str = ""
    here: str = ""  # more words for the machine, where nobody's key says who asks

    @property
    def command(self) -> str:
        """Its words without options and arguments."""
        return " ".join(app.parse_commands(shlex.split(self.words))[0])


@dataclass
class Terminal:
    """Somebody who types commands, at the machine or elsewhere."""

    data: Path
    url: str
    keys: dict[str, str] = field(repr=False)

    async def here(self, *words: str) -> tuple[object, str]:
        """At the machine: exit status, and what was printed or the error."""
        return await run([*words, "--data", str(self.data)], {})

    async def there(self, *words: str, who: str = TENANT) -> tuple[object, str]:
        """From elsewhere."""
        return await run(["--server", self.url, *words], {"FERRYMAN_API_KEY": self.keys[who]})

    async def same(self, *words: str, who: str = TENANT) -> None:
        """Both ways print and end alike, as text and as JSON."""
        for form in ((), ("--json",)):
            assert await self.there(*words, *form, who=who) == await self.here(*words, *form), words

    async def take(self, step: Step, **names: str) -> list[str]:
        """Run a step in both ways; what differs, in words."""
        words = [word.format(**names) for word in shlex.split(step.words)]
        differ = []
        for form in ((), ("--json",)) if step.code == 0 else ((),):  # an error is one sentence in both
            await self._prepare(step, names)
            there = await self.there(*words, *form, who=step.who)
            await self._prepare(step, names)
            here = await self.here(*words, *form, *shlex.split(step.here.format(**names)))
            told = [(code, _masked(text) if step.anew else text) for code, text in (there, here)]
            if told[0] != told[1] or here[0] != step.code:
                differ.append(f"{' '.join((*words, *form))}\n  there: {told[0]}\n  here:  {told[1]}")
        return differ

    async def _prepare(self, step: Step, names: dict[str, str]) -> None:
        if step.before:
            await self.here(*(word.format(**names) for word in shlex.split(step.before)))  # or it is so already

    async def made(self, *words: str, who: str = TENANT) -> Any:
        """The JSON of a command that is carried out elsewhere and succeeds."""
        code, text = await self.there(*words, "--json", who=who)
        assert code == 0, text
        return json.loads(text)


def _masked(text: str) -> str:
    return MOMENT.sub("MOMENT", MADE.sub("MADE", text))


async def run(words: Sequence[str], environment: dict[str, str]) -> tuple[object, str]:
    """One command in this process: exit status, and what it printed or its error."""
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
async def terminal(world: RestWorld, data: Path, tenant: str) -> AsyncIterator[Terminal]:
    """A terminal with a key of the tenant's admin and one of the staff's."""
    with capture_logs():  # the platform's log goes elsewhere: what is compared is what commands print
        keys = {TENANT: await world.token(KeyRole.ADMIN, tenant), STAFF: await world.token(KeyRole.ADMIN, "")}
        world.installation.bus.serve(MAINTENANCE, Maintenance(world.installation).serve)
        control = ControlServer(data, world.installation.bus.call)
        await control.start()
        try:
            yield Terminal(data, f"http://127.0.0.1:{world.rest.port}", keys)
        finally:
            await control.stop()


def commands(group: App = app, words: tuple[str, ...] = ()) -> list[str]:
    """Every command of the command line by its words."""
    found: list[str] = []
    for name in group:
        if not name.startswith("-"):
            inner = group[name]
            named = [one for one in inner if not one.startswith("-")]
            found += commands(inner, (*words, name)) if named else [" ".join((*words, name))]
    return found
