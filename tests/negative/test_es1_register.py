"""ES1.RegisterEIS as a function call (SGP.02 5.2.1): its codes, its repeats, and the keys that were checked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from codes_of_functions import yields
from ferryman.contracts import es1, es4
from ferryman.contracts.message import Codec, Header, decode, encode
from ferryman.contracts.roles import OPERATOR, SM_SR
from premises import Premises, defective
from rig import START
from virtual_loop import virtual

ANSWERS: Codec[Any] = Codec(*es1.RESPONSES, *es4.RESPONSES)
DEFECTS = ("eum-signature", "eum-expired", "ecasd-expired", "key-check-value")


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("cards")
    return folder, defective(folder, list(DEFECTS))


def request(xml: bytes, folder: Path, number: int) -> es1.ES1RegisterEIS:
    batch = json.loads((folder / "batch.json").read_text())
    return es1.ES1RegisterEIS(eid=batch["cards"][number]["eid"], eum_id=batch["eum"]["oid"], xml=xml)


async def ask(place: Premises, body: Any, *, call: str = "one", requester: str = "") -> Any:
    header = Header(
        message_id=f"m-{call}",
        sender=OPERATOR,
        requester=requester or body.eum_id,
        function_call_id=call,
        deadline=START + asyncio.get_running_loop().time() + 600.0,
        eid=body.eid,
    )
    _, answer = decode(await place.installation.bus.call(SM_SR, OPERATOR, encode(header, body)), ANSWERS)
    return answer.status


@yields("ES1.RegisterEIS", "8.1.1/3.3")
@virtual
async def test_registered_once_and_the_same_call_again_is_the_same_call(
    tmp_path: Path, cards: tuple[Path, dict[str, bytes]]
) -> None:
    folder, files = cards
    async with Premises(tmp_path / "data") as place:
        await place.trust(folder)
        body = request(files["good"], folder, 0)
        assert (await ask(place, body, requester="1.2.3")).code == "1.6/1.2", "another EUM"
        assert (await ask(place, body)).ok
        assert (await ask(place, body)).ok, "the answer to this call was lost"
        assert (await ask(place, body, call="two")).code == "8.1.1/3.3"


@yields("ES1.RegisterEIS", "8.6/6.1")
@virtual
async def test_the_request_must_be_about_the_card_that_was_signed(
    tmp_path: Path, cards: tuple[Path, dict[str, bytes]]
) -> None:
    folder, files = cards
    async with Premises(tmp_path / "data") as place:
        await place.trust(folder)
        other = request(files["good"], folder, 1)
        assert (await ask(place, other)).code == "8.6/6.1"
        assert (await ask(place, request(b"<x/>", folder, 0))).code == "1.3.1/2.1"
        seen = await ask(place, es4.ES4GetEIS(eid=other.eid), requester="1.2.3")
        assert seen.code == "8.1.1/3.9"


@pytest.mark.parametrize(
    ("defect", "expected"),
    [
        pytest.param("eum-signature", "8.6/6.1", marks=yields("ES1.RegisterEIS", "8.6/6.1")),
        ("eum-expired", "8.5.2/6.1"),
        pytest.param("ecasd-expired", "8.5.2/6.3", marks=yields("ES1.RegisterEIS", "8.5.2/6.3")),
        ("key-check-value", ""),
    ],
)
@virtual
async def test_a_bad_card_is_refused_whole(
    tmp_path: Path, cards: tuple[Path, dict[str, bytes]], defect: str, expected: str
) -> None:
    folder, files = cards
    async with Premises(tmp_path / "data") as place:
        await place.trust(folder)
        body = request(files[defect], folder, 1 + DEFECTS.index(defect))
        status = await ask(place, body)
        assert not status.ok
        assert not expected or status.code == expected
        assert (await ask(place, es4.ES4GetEIS(eid=body.eid), requester="1.2.3")).code == "8.1.1/3.9"
