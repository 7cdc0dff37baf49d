"""Whoever changes what is the REST API's own is written down: who, what, which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ferryman.contracts.rest import KeyRole
from rest_world import OTHER, rest_world

HOOK = {"url": "https://hooks.example.org/", "types": ["order.done"]}


async def test_every_change_has_its_record(tmp_path: Path) -> None:
    async with rest_world(tmp_path, login_rate=0) as world:
        admin = await world.person(KeyRole.ADMIN)
        count = 0

        async def ask(method: str, path: str, body: Any = None, heads: dict[str, str] | None = None) -> Any:
            nonlocal count
            count += 1
            given = {**(admin.heads if heads is None else heads), "idempotency-key": str(count)}
            answer = await world.ask(method, path, "", body, headers=given)
            assert answer.status < 300, (path, answer.body)
            return answer.json if answer.body else None

        key = (await ask("POST", "/api-keys", {"name": "billing", "role": "auditor"}))["key"]["key_id"]
        await ask("DELETE", f"/api-keys/{key}")
        made = await ask("POST", "/users", {"name": "grace", "role": "auditor"})
        user = made["account"]["user_id"]
        await ask("POST", "/session", {"name": "grace", "password": made["password"]}, {})
        for action in ("disable", "enable", "recover"):
            await ask("POST", f"/users/{user}/changes", {"action": action})
        hook = (await ask("POST", "/webhooks", HOOK))["id"]
        await ask("POST", f"/webhooks/{hook}/changes", {"action": "pause"})
        await ask("POST", f"/webhooks/{hook}/replay", {})
        await ask("DELETE", f"/webhooks/{hook}")
        role = await ask("POST", f"/users/{user}/role", {"role": "operator"})
        me = f"account/{admin.user_id}"
        items = (await ask("GET", "/audit?limit=200"))["items"]
        records = [(one["actor"], one["action"], one["object"], one["outcome"]) for one in reversed(items)]
        assert records == [
            (me, "AddKey", key, "done"),
            (me, "RevokeKey", key, "done"),
            (me, "AddAccount", user, "done"),
            (f"account/{user}", "Login", user, "done"),
            (me, "DisableAccount", user, "done"),
            (me, "EnableAccount", user, "done"),
            (me, "RecoverAccount", user, "done"),
            (me, "AddWebhook", hook, "done"),
            (me, "ChangeWebhook", hook, "done"),
            (me, "ReplayWebhook", hook, "done"),
            (me, "DeleteWebhook", hook, "done"),
            (me, "ask set-role", role["approval_id"], "waiting"),
        ]
        stranger = await world.token(KeyRole.ADMIN, OTHER)
        assert (await world.ask("GET", "/audit", stranger)).json["items"] == []
        wrong = await world.ask("POST", "/session", "", {"name": "grace", "password": "wrong wrong wrong"})
        assert wrong.status == 401
        staff = await world.token(KeyRole.ADMIN, "")
        refused = (await world.ask("GET", "/audit?action=Login", staff)).json["items"][0]
        assert (refused["actor"], refused["object"], refused["outcome"]) == ("nobody", user, "refused")
