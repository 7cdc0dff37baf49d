"""What a delivered profile leaves behind: the protected segments are searched for in the files of the SM-DP."""

from __future__ import annotations

from pathlib import Path

import pytest

from canaries import Canaries
from e2e.bench import bench
from ferryman.codec import tlv
from ferryman.contracts import es3
from ferryman.contracts.message import Body, Codec, decode
from ferryman.platform.bus import InProcessBus
from ferryman.sm_dp.records import DPSettings
from virtual_loop import virtual

PIECE = 24  # octets of a segment that are looked for, from its middle
REQUESTS: Codec[Body] = Codec(*es3.REQUESTS)


def within_files(segments: dict[str, bytes], data: Path) -> list[str]:
    """Segments that are found in the database of the SM-DP or in its log."""
    canaries = Canaries(segments)
    return [name for path in sorted(data.glob("sm-dp.db*")) for name in canaries.within(path.read_bytes())]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("transport", ["https", "sms"])
@virtual
async def test_nothing_of_the_protected_profile_stays(
    transport: str, keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments: dict[str, bytes] = {}
    deliver = InProcessBus.deliver

    async def heard(bus: InProcessBus, dest: str, raw: bytes) -> None:
        if dest == "sm-sr" and b"ES3SendData" in raw and b'"sender":"sm-dp"' in raw:
            _, body = decode(raw, REQUESTS)
            assert isinstance(body, es3.ES3SendData)
            for item in tlv.parse(body.data):
                if item.tag == 0x86:
                    middle = len(item.value) // 2
                    segments[f"segment {len(segments)}"] = item.value[middle : middle + PIECE]
        await deliver(bus, dest, raw)

    monkeypatch.setattr(InProcessBus, "deliver", heard)
    async with bench(transport, dp=DPSettings(keep_delivered=keep)) as b:
        view, status = await b.run_order()
        assert status.ok
        assert len(segments) >= 2
        await b.sleep(120.0)  # the log is emptied a while later
        running = within_files(segments, b.platform.data)
        secrets = await b.store("crypto-server").read(
            lambda c: c.exec_driver_sql(
                f"SELECT count(*) FROM subscription_secret WHERE iccid = '{view.iccid}'"
            ).scalar()
        )
        assert (set(running) == set(segments), secrets == 1) == (keep, keep)
        if not keep:
            assert running == []
        await b.platform.close()
        assert (within_files(segments, b.platform.data) != []) == keep
        await b.platform.open()
