"""Master Delete with a token of our own SM-DP: key loaded with the order, token issued later (SGP.02 3.10).

The card verifies the token with its own code and the key that it was given.
"""

from __future__ import annotations

import msgspec
import pytest

from e2e import checks
from e2e.bench import Bench, bench
from e2e.test_card_operations_e2e import run
from e2e.test_rest_many_e2e import REST, Asking, asking
from ferryman.contracts import operations, orders
from ferryman.contracts.rest import KeyRole
from ferryman.contracts.status import Status
from ferryman.errors import Refused
from ferryman_sim.card.apdu import Apdu
from ferryman_sim.card.isdp import IsdP
from rest_world import OTHER
from rig import OWNER
from virtual_loop import virtual

BOTH = pytest.mark.parametrize("transport", ["sms", "https"])


async def token(b: Bench, order_id: str) -> operations.MasterDelete:
    """Have a token issued."""
    issued = await b.operator.sm_dp(orders.IssueDeleteToken(owner=OWNER, order_id=order_id))
    assert isinstance(issued, orders.DeleteToken)
    return operations.MasterDelete(
        eid=issued.eid,
        iccid=issued.iccid,
        token=issued.token,
        sin=issued.sin,
        sdin=issued.sdin,
        provider=issued.provider,
        token_id=issued.token_id,
    )


@BOTH
@virtual
async def test_an_orphaned_profile_is_deleted_against_its_policies(transport: str) -> None:
    async with bench(transport) as b:
        view, status = await b.run_order(enable=False, delete_token=True, pol1=b"\x02")
        assert status.status is Status.SUCCESS, status
        isdp = b.device().card._core.state.isdps[-1]
        assert isdp.token_key is not None
        assert isdp.pol1 == 0x02, "the card itself forbids the deletion"
        await checks.everything(b, view)
        done = await run(b, await token(b, view.order_id))
        assert done.status is not None
        assert done.status.status is Status.SUCCESS, done
        assert isdp.aid not in [each.aid for each in b.device().card._core.state.isdps]
        card = await checks.eis(b, b.eid)
        assert view.iccid not in [profile.iccid for profile in card.profiles]


@virtual
async def test_the_card_verifies_the_token() -> None:
    async with bench() as b:
        view, _ = await b.run_order(enable=False, delete_token=True)
        good = await token(b, view.order_id)
        for wrong in (
            msgspec.structs.replace(good, token=bytes((good.token[0] ^ 1,)) + good.token[1:]),
            msgspec.structs.replace(good, token_id=b"\x7f"),
        ):
            done = await run(b, wrong)
            assert done.status is not None
            assert done.status.status is Status.FAILED
            assert len(b.device().card._core.state.isdps) == 2
        again = await token(b, view.order_id)
        assert again.token_id != good.token_id, "each token has its number"
        assert again.token != good.token
        done = await run(b, again)
        assert done.status is not None
        assert done.status.status is Status.SUCCESS, done


@virtual
async def test_no_token_without_a_key_on_the_card() -> None:
    async with bench() as b:
        view, _ = await b.run_order(enable=False)
        with pytest.raises(Refused, match="no token key was loaded"):
            await token(b, view.order_id)
        with pytest.raises(Refused, match="no order"):
            await b.operator.sm_dp(orders.IssueDeleteToken(owner="1.2.3", order_id=view.order_id))
        with pytest.raises(Refused, match="keys that are kept"):
            await b.order(delete_token=True, keys="destroy")


@virtual
async def test_a_key_that_the_card_does_not_confirm_ends_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    put_key = IsdP._put_key

    def other_key(self: IsdP, apdu: Apdu, data: bytes, kvn: int) -> bytes:
        answer = put_key(self, apdu, data, kvn)
        return answer[:-1] + bytes((answer[-1] ^ 1,))  # authentic, with the check value of another key

    monkeypatch.setattr(IsdP, "_put_key", other_key)
    async with bench() as b:
        running = await b.order(enable=False, delete_token=True)
        with pytest.raises(Refused, match="has no profile on a card"):
            await token(b, running.order_id)
        view, status = await b.ended(running)
        assert status.status is Status.FAILED
        assert "another key version or check value" in status.message
        with pytest.raises(Refused, match="has no profile on a card"):
            await token(b, view.order_id)
        assert len(b.device().card._core.state.isdps) == 1, "the ISD-P is deleted"


@pytest.mark.parametrize("command", ["InitializeUpdate", "PutKey", "ExternalAuthenticate"])
@virtual
async def test_lost_answers_while_the_key_is_loaded(command: str) -> None:
    async with bench() as b:
        struck = b.lose_answer_of(command)
        view, status = await b.run_order(enable=False, delete_token=True)
        assert struck
        assert status.status is Status.SUCCESS, status
        done = await run(b, await token(b, view.order_id))
        assert done.status is not None
        assert done.status.status is Status.SUCCESS, done


@virtual
async def test_over_rest_with_a_token_that_is_shown_or_used_at_once() -> None:
    """A repeat of a request finds the same token and the same operation; nobody else has either."""
    async with bench("sms", subscribers=4, rest=REST) as b:
        own, other, reader = await asking(b), await asking(b, OTHER), await asking(b, role=KeyRole.AUDITOR)
        terms = {"profile_type": "demo", "enable": False, "delete_token": True, "pol1": "Ag=="}
        placed = []
        for _ in range(2):
            made = await own("POST", "/orders", {"eid": b.eid, **terms})
            placed.append(await own.until(f"/orders/{made.json['order_id']}", "done"))
        one, two = placed
        asked = f"/orders/{one['order_id']}/delete-tokens"
        issued = [await own("POST", asked, **{"idempotency-key": key}) for key in ("a", "a", "b")]
        assert [answer.status for answer in issued] == [201, 201, 201]
        assert issued[0].json == issued[1].json
        assert issued[0].json["token_id"] != issued[2].json["token_id"]
        assert (await other("POST", asked)).status == 404
        assert (await reader("POST", asked)).status == 403
        path = f"/euiccs/{b.eid}/master-deletes"
        covered = {key: issued[0].json[key] for key in ("iccid", "token", "sin", "sdin", "provider", "token_id")}
        assert (await reader("POST", path, covered)).status == 403
        assert (await other("POST", path, covered)).status == 404
        both = {**covered, "order_id": one["order_id"]}
        assert (await own("POST", path, both)).status == 400
        assert (await own("POST", path, {"iccid": one["iccid"]})).status == 400
        assert (await own("POST", path, {**covered, "token": "AAAA"})).status == 400
        crossed = {"iccid": two["iccid"], "order_id": one["order_id"]}
        assert (await own("POST", path, crossed)).status == 403
        assert (await own("POST", path, {"iccid": one["iccid"], "order_id": "none"})).status == 404
        begun = await own("POST", path, covered)
        assert begun.status == 202, begun.body
        await succeeded(own, begun.json)
        at_once = {"iccid": two["iccid"], "order_id": two["order_id"]}
        started = [await own("POST", path, at_once, **{"idempotency-key": "once"}) for _ in range(2)]
        assert [answer.status for answer in started] == [202, 202]
        assert started[0].json["call_id"] == started[1].json["call_id"]
        await succeeded(own, started[0].json)
        assert len(b.device().card._core.state.isdps) == 1
        trail = (await own("GET", "/audit?source=sm-dp")).body
        assert issued[0].json["token"].encode() not in trail


async def succeeded(own: Asking, operation: dict[str, str]) -> None:
    done = await own.until(f"/operations/{operation['call_id']}", "done")
    assert done["status"]["status"] == "EXECUTED_SUCCESS", done
