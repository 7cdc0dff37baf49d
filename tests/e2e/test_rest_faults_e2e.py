"""The typed client on a rough line to the REST API: every call has its effect once, whatever the line does."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

from e2e.bench import bench
from ferryman.client import AsyncClient, Patience, Unreachable
from ferryman.contracts.queue import EntryState
from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.settings import RESTSettings
from parties import make_party
from rest_world import RestWorld
from rig import OWNER, wait_order
from rough_line import KINDS, STRIKES, line
from virtual_loop import virtual

DAY = 86_400.0
CALLS = 100  # by then each kind of fault has struck each way as often as it may, handshakes and answers alike
PATIENCE = Patience(repeats=20, seconds=3_600.0)
NAME = "REST"


async def cancel(client: AsyncClient, eid: str, entry: str) -> None:
    """What has no Idempotency-Key is not repeated by the client: who asked looks first."""
    while (await client.show_entry(eid, entry)).state is EntryState.HELD:
        with contextlib.suppress(Unreachable):
            await client.change_entry(eid, entry, action="cancel")


@virtual
async def test_calls_while_every_kind_of_fault_strikes_the_line(tmp_path: Path) -> None:
    ours = make_party(tmp_path, "ours")
    rest = RESTSettings(port=0, certificate_file=str(ours.certificate_file), key_file=str(ours.key_file))
    async with bench("sms", rest=rest) as b:
        world = RestWorld(b.platform.installation)
        key = await world.token(KeyRole.ADMIN, OWNER)
        async with line(NAME, "tls", world.rest.port, "rest") as rough:
            url = f"https://127.0.0.1:{rough.proxy.port}"
            async with AsyncClient(url, key, ca_file=ours.certificate_file, patience=PATIENCE) as client:
                order = await client.create_order(eid=b.eid, profile_type="demo", enable=False)
                await wait_order(b.operator, order.order_id)
                rough.roughen()
                made: list[str] = []
                gone: list[str] = []
                for number in range(CALLS):
                    entry = await client.add_to_queue(b.eid, function="audit", hold=True, validity=DAY)
                    assert entry.state is EntryState.HELD
                    made.append(entry.entry)
                    if number % 3 == 0:
                        await cancel(client, b.eid, entry.entry)
                        gone.append(entry.entry)
                assert rough.kinds == set(KINDS), rough.counts
                assert all(count == 2 * STRIKES[NAME] for count in rough.counts.values()), rough.counts
                rough.proxy.rules = {
                    way: replace(rules, drop=0.0, delay=0.0, duplicate=0.0, reorder=0.0)
                    for way, rules in rough.proxy.rules.items()
                }
                there = {one.entry: one.state async for one in client.list_queue(b.eid)}
                assert set(made) <= set(there)
                assert len(set(made)) == CALLS
                cancelled = {name for name, state in there.items() if state is EntryState.CANCELLED}
                assert cancelled == set(gone)
                assert Counter(there.values())[EntryState.HELD] == CALLS - len(gone)
