"""Key sets that the CryptoServer makes for a card: which version, and what becomes of those that are withdrawn."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from ferryman.contracts import crypto
from ferryman.contracts.message import Body, Header, decode, encode
from ferryman.contracts.roles import CRYPTO_SERVER, SM_SR, TRANSPORT_HTTPS
from premises import Premises
from virtual_loop import virtual

EID = "89033023000000000000000000000063"


async def ask(place: Premises, caller: str, body: Body) -> Body:
    header = Header(
        message_id=secrets.token_hex(8),
        sender=caller,
        requester=caller,
        function_call_id="1",
        deadline=time.time() + 60,
        eid=EID,
    )
    raw = await place.installation.bus.call(CRYPTO_SERVER, caller, encode(header, body))
    return decode(raw, crypto.ANSWER_CODEC)[1]


async def make(place: Premises, version: int) -> tuple[int, bool]:
    made = await ask(place, SM_SR, crypto.MakeKeyset(eid=EID, version=version))
    assert isinstance(made, crypto.KeysetMade)
    return made.version, made.replaces


async def take(place: Premises, version: int, retired: int = 0) -> int:
    answer = await ask(place, SM_SR, crypto.TakeKeyset(eid=EID, version=version, retired=retired))
    assert isinstance(answer, crypto.Stored)
    return answer.count


async def psk(place: Premises, version: int) -> bytes:
    answer = await ask(place, TRANSPORT_HTTPS, crypto.GetPSK(eid=EID, key_version=version, key_id=1))
    assert isinstance(answer, crypto.PSK)
    return answer.key


@virtual
async def test_the_version_of_a_new_set(tmp_path: Path) -> None:
    """SCP80 over one that the card does not use; SCP81 never onto one that it has beside the one that goes."""
    async with Premises(tmp_path) as place:
        for former, first, second in ((0x01, (0x02, False), (0x02, True)), (0x40, (0x41, False), (0x42, False))):
            assert await make(place, former) == first
            assert await make(place, former) == first, "the card may hold them already"
            assert await take(place, first[0])
            assert await make(place, former) == second


@virtual
async def test_a_withdrawn_set_leaves_nothing(tmp_path: Path) -> None:
    """Also when the card had it in use before anybody had taken it for the card's."""
    async with Premises(tmp_path) as place:
        await make(place, 0x40)
        old = await psk(place, 0x41)
        assert old, "what was made may be on the card"
        assert await take(place, 0x42, retired=0x41) == 0
        assert await psk(place, 0x41) == b""
        await make(place, 0x40)
        assert await psk(place, 0x41) not in (b"", old), "made anew"
