# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: es2_calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ferryman.client.calls import Operation
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.eis import PolicyRule
from ferryman.contracts.es2_calls import ES2View

START_ES2_CALL: Operation[ES2View] = Operation(
    "start_es2_call",
    "POST",
    "/es2-calls",
    ES2View,
    once=True,
    defaults={
        "iccid": "",
        "iccids": (),
        "validity": 86_400.0,
        "pol2": (),
        "imsi": "",
        "msisdn": "",
        "smsr_id": "",
        "parameters": b"",
        "smsc": "",
        "apn": "",
        "login": "",
        "password": "",
    },
)
SHOW_ES2_CALL: Operation[ES2View] = Operation("show_es2_call", "GET", "/es2-calls/{call_id}", ES2View)


class Es2Calls(Sender):
    """Methods that block."""

    def start_es2_call(
        self,
        *,
        function: Literal[
            "get-eis",
            "audit",
            "enable",
            "disable",
            "delete",
            "set-fallback",
            "update-policy-rules",
            "update-subscription-address",
            "update-connectivity",
        ],
        eid: str,
        iccid: str = "",
        iccids: Sequence[str] = (),
        validity: float = 86_400.0,
        pol2: Sequence[PolicyRule] = (),
        imsi: str = "",
        msisdn: str = "",
        smsr_id: str = "",
        parameters: bytes = b"",
        smsc: str = "",
        apn: str = "",
        login: str = "",
        password: str = "",
        idempotency_key: str = "",
    ) -> ES2View:
        """A function of ES2, by way of ES3, at our SM-SR or another.

        What is to be done now, by our SM-DP and the SM-SR `smsr_id` (empty: our own) that has the eUICC.
        Connectivity parameters (update-connectivity): the objects A0, A1, A2 as `parameters` (base64), or by name
        the number of the SMSC, and for HTTPS the access point with its login and password. Needs the right
        `operation:write`.
        `iccid`: ICCID, or nothing.
        `validity`: Seconds from now.
        `eid`: EID, 32 decimal digits.
        """
        return self._send(
            START_ES2_CALL.call(
                body={
                    "iccid": iccid,
                    "iccids": iccids,
                    "validity": validity,
                    "pol2": pol2,
                    "imsi": imsi,
                    "msisdn": msisdn,
                    "function": function,
                    "eid": eid,
                    "smsr_id": smsr_id,
                    "parameters": parameters,
                    "smsc": smsc,
                    "apn": apn,
                    "login": login,
                    "password": password,
                },
                idempotency_key=idempotency_key,
            )
        )

    def show_es2_call(self, call_id: str) -> ES2View:
        """State of such a call, and its result.

        Needs the right `operation:read`.
        """
        return self._send(SHOW_ES2_CALL.call(call_id))


class AsyncEs2Calls(AsyncSender):
    """Methods that are awaited."""

    async def start_es2_call(
        self,
        *,
        function: Literal[
            "get-eis",
            "audit",
            "enable",
            "disable",
            "delete",
            "set-fallback",
            "update-policy-rules",
            "update-subscription-address",
            "update-connectivity",
        ],
        eid: str,
        iccid: str = "",
        iccids: Sequence[str] = (),
        validity: float = 86_400.0,
        pol2: Sequence[PolicyRule] = (),
        imsi: str = "",
        msisdn: str = "",
        smsr_id: str = "",
        parameters: bytes = b"",
        smsc: str = "",
        apn: str = "",
        login: str = "",
        password: str = "",
        idempotency_key: str = "",
    ) -> ES2View:
        """A function of ES2, by way of ES3, at our SM-SR or another.

        What is to be done now, by our SM-DP and the SM-SR `smsr_id` (empty: our own) that has the eUICC.
        Connectivity parameters (update-connectivity): the objects A0, A1, A2 as `parameters` (base64), or by name
        the number of the SMSC, and for HTTPS the access point with its login and password. Needs the right
        `operation:write`.
        `iccid`: ICCID, or nothing.
        `validity`: Seconds from now.
        `eid`: EID, 32 decimal digits.
        """
        return await self._send(
            START_ES2_CALL.call(
                body={
                    "iccid": iccid,
                    "iccids": iccids,
                    "validity": validity,
                    "pol2": pol2,
                    "imsi": imsi,
                    "msisdn": msisdn,
                    "function": function,
                    "eid": eid,
                    "smsr_id": smsr_id,
                    "parameters": parameters,
                    "smsc": smsc,
                    "apn": apn,
                    "login": login,
                    "password": password,
                },
                idempotency_key=idempotency_key,
            )
        )

    async def show_es2_call(self, call_id: str) -> ES2View:
        """State of such a call, and its result.

        Needs the right `operation:read`.
        """
        return await self._send(SHOW_ES2_CALL.call(call_id))
