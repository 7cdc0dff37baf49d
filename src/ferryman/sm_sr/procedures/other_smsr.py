"""What both sides of an SM-SR change say to the other one, and what a card is told when it has changed hands.

ES7 goes through the gateway (SGP.02 5.6); ES5.FinaliseISDRhandover and UpdateSMSRAddressingParameters are
3.8, 4.1.1.10. Both may be sent again: one names what is to stay or to go, the other writes absolute values.
"""

from __future__ import annotations

from collections.abc import Mapping

from ferryman.codec import admin_trigger, isdr
from ferryman.codec.isdr_keys import SCP80_VERSIONS, SCP81_VERSIONS
from ferryman.contracts.message import Body, Header
from ferryman.contracts.roles import SOAP_GATEWAY
from ferryman.platform.procedure import Context, Send
from ferryman.sm_sr.euicc_type import DELETED, KEPT
from ferryman.sm_sr.records import EUICC, SRSettings

SW_OK, SW_NOT_FOUND = 0x9000, 0x6A88
SCP80_KEYS, SCP81_KEYS = 3, 2  # keys of a set, identifiers from 1: ENC, MAC, DEK; PSK and its DEK


def ask(party: str, body: Body, *, call: str, until: float, context: Context) -> Send:
    """A call of ES7 to another SM-SR, worth an answer until `until`; the same `call` is the same call."""
    return Send(
        SOAP_GATEWAY,
        body,
        until,
        function_call_id=call,
        requester=context.facts.settings.smsr_id,
        recipient=party,
    )


def answer(header: Header, body: Body) -> Send:
    """The answer to a call of the other SM-SR."""
    return Send(
        header.sender,
        body,
        header.deadline,
        function_call_id=header.function_call_id,
        requester=header.requester,
        recipient=header.requester,
    )


def own_keys(card: EUICC) -> dict[int, int]:
    """The ISD-R's key sets that the EIS names: number of keys by version."""
    scp81 = {card.scp81_version: SCP81_KEYS} if card.scp81_version else {}
    return {card.scp80_version: SCP80_KEYS} | scp81


def keep_only(own: Mapping[int, int], lists: str) -> tuple[bytes, ...]:
    """C-APDUs that delete every key set of the ISD-R but `own`; each is for a script of its own.

    `lists` is what the card takes the ranges for (`Effective.finalise_lists`). A card that deletes what is listed
    refuses a version that it does not have, and nobody tells us which it has: one command for each that is not
    ours. None when nothing is ours: all keys of the card would go.
    """
    if not own:
        return ()
    if lists == KEPT:
        return (isdr.finalise_isdr_handover([(version, 1, keys) for version, keys in own.items()]),)
    every = [*((version, SCP80_KEYS) for version in SCP80_VERSIONS), *((v, SCP81_KEYS) for v in SCP81_VERSIONS)]
    others = [each for each in every if each[0] not in own]
    return tuple(isdr.finalise_isdr_handover([(version, 1, keys)]) for version, keys in others)


def carried_out(sw: int, lists: str) -> bool:
    """Whether the card's answer to one of these says that nothing is left to do by it."""
    return sw == SW_OK or (lists == DELETED and sw == SW_NOT_FOUND)


def our_address(settings: SRSettings) -> bytes:
    """The C-APDU with our own addressing parameters; empty when the settings name none."""
    if not settings.sms_address:
        return b""
    port, address = settings.trigger_port or None, settings.trigger_address or None
    connection = admin_trigger.connection_objects(port=port, address=address)
    http = admin_trigger.http_value(settings.trigger_host or None, None, settings.trigger_uri or None)
    https = admin_trigger.session_objects(
        connection=connection or None, security=None, retry=None, http=http or None
    )
    return isdr.update_smsr_addressing(settings.sms_address, https=https or None)
