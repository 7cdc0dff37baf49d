"""Questions to SM-SR and SM-DP in the name of a tenant."""

from __future__ import annotations

from dataclasses import dataclass

from ferryman.contracts import admin, codes, crypto, peers
from ferryman.contracts.eis import EIS, ProfileInfo
from ferryman.contracts.message import Body, Codec, Header, decode, encode
from ferryman.contracts.roles import CRYPTO_SERVER, REST_API, SM_DP, SM_SR, SOAP_GATEWAY
from ferryman.errors import PeerError, Refused, Unavailable
from ferryman.platform.bus import Calls
from ferryman.platform.clock import Clock, Entropy

ANSWER_SECONDS = 25.0  # a role answers by then, or the request ends in 503
AWAY_SECONDS = 30.0  # until a role of another version may be asked again
UNIQUE_OCTETS = 12
_REFUSED = (admin.AdminRefused, peers.PeerRefused, crypto.CryptoRefused)


class Asking:
    """The roles behind the REST API."""

    def __init__(self, calls: Calls, clock: Clock, entropy: Entropy) -> None:
        self._calls = calls
        self._clock = clock
        self._entropy = entropy

    async def sm_sr[B: Body](self, tenant: str, body: Body, kind: type[B], call_id: str = "") -> B:
        """Ask the SM-SR; raises Refused, Unavailable."""
        return await self._ask(SM_SR, tenant, body, kind, call_id)

    async def sm_dp[B: Body](self, tenant: str, body: Body, kind: type[B], call_id: str = "") -> B:
        """Ask the SM-DP; raises Refused, Unavailable."""
        return await self._ask(SM_DP, tenant, body, kind, call_id)

    async def gateway[B: Body](self, tenant: str, body: Body, kind: type[B], call_id: str = "") -> B:
        """Ask the SOAP gateway about its peers; raises Refused, Unavailable."""
        return await self._ask(SOAP_GATEWAY, tenant, body, kind, call_id, peers.ANSWER_CODEC)

    async def crypto_server[B: Body](self, tenant: str, body: Body, kind: type[B], call_id: str = "") -> B:
        """Have the CryptoServer store what it never gives back; raises Refused, Unavailable."""
        return await self._ask(CRYPTO_SERVER, tenant, body, kind, call_id, crypto.ANSWER_CODEC)

    async def card(self, tenant: str, eid: str) -> EIS:
        """A card with a profile of this tenant; raises Refused, for all others as if they did not exist."""
        absent = Refused(*codes.EID_UNKNOWN, f"no eUICC with EID {eid}", identifier=eid)
        try:
            page = await self.sm_sr(tenant, admin.ShowEUICC(owner=tenant, eid=eid), admin.EUICCPage)
        except Refused:
            raise absent from None
        if not page.euiccs or not any(profile.owner == tenant for profile in page.euiccs[0].profiles):
            raise absent
        return page.euiccs[0]

    async def profile(self, tenant: str, eid: str, iccid: str) -> ProfileInfo:
        """A profile of this tenant on a card; raises Refused, for all others as if they did not exist."""
        card = await self.card(tenant, eid)
        for found in card.profiles:
            if (found.iccid, found.owner) == (iccid, tenant):
                return found
        raise Refused(*codes.ICCID_UNKNOWN, "there is no such profile on this eUICC", identifier=iccid)

    async def _ask[B: Body](
        self,
        role: str,
        tenant: str,
        body: Body,
        kind: type[B],
        call_id: str,
        answers: Codec[Body] = admin.ANSWER_CODEC,
    ) -> B:
        unique = self._entropy(UNIQUE_OCTETS).hex()
        header = Header(
            message_id=f"{REST_API}/{unique}",
            sender=REST_API,
            requester=tenant,
            function_call_id=call_id or unique,
            deadline=self._clock.now() + ANSWER_SECONDS,
            eid=getattr(body, "eid", ""),
        )
        raw = await self._calls.call(role, REST_API, encode(header, body))
        try:
            _, answer = decode(raw, answers)
        except PeerError as problem:  # of another version: nothing that the requester could mend
            raise Unavailable(f"{role} ({problem.field})", retry_after=AWAY_SECONDS) from None
        if isinstance(answer, _REFUSED):
            status = answer.status
            raise Refused(status.subject, status.reason, status.message, identifier=status.identifier)
        if not isinstance(answer, kind):
            raise TypeError(f"{type(answer).__name__} is no answer to {type(body).__name__}")
        return answer


@dataclass(slots=True)
class Roles:
    """What imports and exports ask, in the name of a tenant."""

    ask: Asking
    owner: str

    async def crypto(self, body: Body) -> Body:
        """Ask the CryptoServer; raises Refused, Unavailable."""
        return await self.ask.crypto_server(self.owner, body, Body)

    async def sm_dp(self, body: Body) -> Body:
        """Ask the SM-DP; raises Refused, Unavailable."""
        return await self.ask.sm_dp(self.owner, body, Body)
