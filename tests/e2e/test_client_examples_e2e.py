"""The examples of docs/client.md do what they say, on a platform with a card, over real sockets."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from e2e.bench import bench
from ferryman.client import AsyncClient, Client
from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.settings import RESTSettings
from rest_world import RestWorld
from rig import OWNER, subscriptions

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


def example(number: int, **names: Any) -> dict[str, Any]:
    exec(compile(EXAMPLES[number], f"docs/client.md, example {number + 1}", "exec"), names)
    return names


@pytest.mark.timeout(180)
async def test_the_examples(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    async with bench("sms", rest=RESTSettings(port=0), subscribers=3, settle=1.0) as b:
        world = RestWorld(b.platform.installation)
        key = await world.token(KeyRole.ADMIN, OWNER)
        given = {"url": f"http://127.0.0.1:{world.rest.port}", "key": key, "ca_file": None, "eid": b.eid}
        assert len(EXAMPLES) == 4
        async with AsyncClient(given["url"], key) as client:
            enabled = example(1)["enabled"]
            async with asyncio.timeout(120):
                assert await enabled(client, b.eid) == "order.done"
        await _aside(lambda: example(0, **given))
        told = capsys.readouterr().out
        assert f"{b.eid} [(" in told
        assert "Enabled" in told
        assert re.search(r"^[0-9.]+ [0-9.]+ \w", told, re.MULTILINE)
        file = tmp_path / "subscriptions.csv"
        file.write_text(subscriptions(3, "examples").replace("8988", "898X", 1))
        await _aside(lambda: example(2, Client=Client, file=file, **given))
        assert "line 2, ICCID: " in capsys.readouterr().out
        names = await _aside(lambda: example(3, Client=Client, **given))
        assert names["seen"].value.low_water == names["seen"].value.free


async def _aside(run: Any) -> Any:
    """In a thread: a client that blocks would keep the platform of this process from answering."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(run())
        except BaseException as problem:
            found.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.01)
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]
