"""Holds over REST: an HTTP hook holds and releases an order; a person does; a tenant's hook stays outside."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dp_world import OperatorSystem
from e2e.bench import Bench, bench
from e2e.test_rest_many_e2e import REST, Asking, asking
from ferryman.contracts import holds
from ferryman.sm_dp.records import DPSettings
from rest_world import OTHER
from rig import OWNER
from virtual_loop import virtual

ORDER = {"profile_type": "demo", "enable": False}


async def hooked(own: Asking, url: str) -> bytes:
    """A hook before the download with a key that the server made."""
    secret = (await own("POST", "/hook-keys", {"name": "hlr"})).json["secret"]
    hook = {"url": url, "key": "hlr", "holds": ["before-download"], "limit": 600}
    assert (await own("PUT", "/order-hooks", hook)).status == 200
    return base64.b64decode(secret.removeprefix("whsec_"))


async def held(own: Asking, b: Bench, eid: str = "") -> Any:
    """An order that holds."""
    made = await own("POST", "/orders", {"eid": eid or b.eid, **ORDER})
    for _ in range(500):
        found = (await own("GET", f"/orders/{made.json['order_id']}")).json
        if found["hold"]:
            return found
        await b.sleep(1.0)
    raise AssertionError(found)


@pytest.mark.parametrize("refused", [False, True])
@virtual
async def test_a_hook_holds_and_releases_an_order(refused: bool) -> None:
    settings = DPSettings(hook_networks=("127.0.0.0/8",))
    async with bench("sms", rest=REST, dp=settings) as b:
        answers = [202, 409 if refused else 200]
        own = await asking(b)
        peer = OperatorSystem(
            lambda _call, times: (503, {}) if times < 3 else (answers[1], {"reason": "no such IMSI"}),
            clock=b.platform.installation.clock.now,
        )
        await peer.start()
        try:
            peer.key = await hooked(own, peer.url)
            made = await own("POST", "/orders", {"eid": b.eid, **ORDER})
            order = await own.until(f"/orders/{made.json['order_id']}", "done")
            assert len(peer.names) == 3  # asked again under one name, until there was an answer
            assert len(set(peer.names)) == 1
            assert order["status"]["status"] == ("FAILED" if refused else "EXECUTED_SUCCESS")
            assert ("no such IMSI" in order["status"]["message"]) == refused
            (shown,) = (await own("GET", "/order-hooks")).json["items"]
            assert (shown["open_calls"], shown["url"]) == (0, peer.url)
            assert base64.b64encode(peer.key) not in (await own("GET", "/order-hooks")).body
        finally:
            await peer.stop()


@virtual
async def test_a_tenants_hook_leads_nowhere_inside() -> None:
    """Loopback by http is refused when it is called; what was set at the machine is not."""
    async with bench("sms", subscribers=6, rest=REST) as b:
        own, other = await asking(b), await asking(b, OTHER)
        peer = OperatorSystem(lambda _call, _times: (200, {}), clock=b.platform.installation.clock.now)
        await peer.start()
        try:
            for url in ("ftp://x.example/", "https://u:p@x.example/", "https://x.example/#a", "https:///"):
                wrong = await own("PUT", "/order-hooks", {"url": url, "key": "hlr"})
                assert wrong.status == 400, url
            peer.key = await hooked(own, peer.url)
            order = await held(own, b)
            await b.sleep(30.0)
            (shown,) = (await own("GET", "/order-hooks")).json["items"]
            assert shown["open_calls"] == 1
            assert "https" in shown["trouble"]
            assert peer.heard == []
            # -- a person's word, of this tenant alone, about the hold that is meant, once
            path = f"/orders/{order['order_id']}"
            assert (await other("POST", f"{path}/release", {})).status == 404
            assert (await own("POST", f"{path}/release", {"hold": "after-enable"})).status == 403
            assert (await own("POST", f"{path}/release", {"hold": "before-download"})).status == 200
            done = await own.until(path, "done")
            assert done["status"]["status"] == "EXECUTED_SUCCESS"
            assert (await own("POST", f"{path}/release", {})).status == 403
            second = await held(own, b)
            refusal = {"reason": "not provisioned"}
            assert (await own("POST", f"/orders/{second['order_id']}/refuse", refusal)).status == 200
            ended = await own.until(f"/orders/{second['order_id']}", "done")
            assert "not provisioned" in ended["status"]["message"]
            # -- the same address, set at the machine
            hook = holds.SetHook(owner=OWNER, url=peer.url, key="hlr", holds=(holds.BEFORE_DOWNLOAD,))
            await b.operator.sm_dp(hook)
            made = await own("POST", "/orders", {"eid": b.eid, **ORDER})
            await own.until(f"/orders/{made.json['order_id']}", "done")
            assert len(peer.heard) == 1
            assert (await other("DELETE", "/order-hooks")).status == 404
            assert (await own("DELETE", "/order-hooks")).status == 204
            assert (await own("GET", "/order-hooks")).json["items"] == []
        finally:
            await peer.stop()
