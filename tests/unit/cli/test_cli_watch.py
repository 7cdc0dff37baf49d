"""What the endpoint of a whole installation shows: every role's numbers, and when it is ready."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from ferryman.cli.settings import FILE, load
from ferryman.cli.up import running
from ferryman.contracts.roles import REST_API, SOAP_GATEWAY, TRANSPORT_SMS
from ferryman.contracts.routes import ROLES
from rig import free_port


async def page(address: str, path: str) -> str:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return text


async def test_numbers_of_all_roles_and_a_missing_smsc(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        f'[metrics]\nport = 0\n[https]\nhost = "127.0.0.1"\nport = 0\n[smpp]\nhost = "127.0.0.1"\n'
        f'port = {free_port()}\nsystem_id = "x"\npassword = "y"\nsource_addr = "1"\n'
    )
    async with running(load(tmp_path)) as (installation, addresses):
        text = await page(addresses["metrics"], "/metrics")
        assert text.startswith("HTTP/1.1 200")
        for role in set(ROLES) - {SOAP_GATEWAY, REST_API}:  # no peers are served without a [soap] section
            assert f'ferryman_leases{{role="{role}"}} 0\n' in text
            assert f'ferryman_timers{{role="{role}"}} 0\n' in text
            # A sweep may have committed between the page and this look.
            told = re.search(rf'ferryman_commits_total{{role="{role}"}} (\d+)\n', text)
            assert told is not None
            assert 0 < int(told[1]) <= installation.commits[role]
        for line in (
            "ferryman_started 1",
            "ferryman_https_sessions 0",
            "ferryman_smsc_bound 0",
            'ferryman_smpp_links{account="smpp",state="wanted"} 1',
            'ferryman_engine_steps_total{role="sm-sr"} 0',
            'ferryman_engine_dispatches_total{role="sm-dp"} 0',
            'ferryman_timers_overdue{role="sm-sr"} 0',
            'ferryman_messages_carried_total{role="sm-dp"} 0',
            'ferryman_sms_unfinished{state="queued"} 0',
            "ferryman_sms_mo_parked 0",
        ):
            assert f"{line}\n" in text
        ready = await page(addresses["metrics"], "/readyz")
        assert ready.startswith("HTTP/1.1 503")
        assert "smsc not ready\n" in ready
        for role in set(ROLES) - {SOAP_GATEWAY, REST_API}:
            assert f"database {role} ok\n" in ready
        installation.sms = None
        assert (await page(addresses["metrics"], "/readyz")).startswith("HTTP/1.1 200")
        before = installation.commits[TRANSPORT_SMS]
        await installation.mailboxes[-2].store.write(lambda connection: None)
        assert installation.commits[TRANSPORT_SMS] == before + 1


async def test_without_the_section_nothing_listens(tmp_path: Path) -> None:
    async with running(load(tmp_path)) as (_, addresses):
        assert set(addresses) == {"control"}
