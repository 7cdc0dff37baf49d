"""What both sides of an SM-SR change say to the other one, and what a card is told when it has changed hands.

ES7 goes through the gateway (SGP.02 5.6); ES5.FinaliseISDRhandover and UpdateSMSRAddressingParameters are
3.8, 4.1.1.10. Both may be sent again: one names what is to stay, the other writes absolute values.
"""

from __future__ import annotations

from ferryman.codec import admin_trigger, isdr
from ferryman.contracts.message import Body, Header
from ferryman.contracts.roles import SOAP_GATEWAY
from ferryman.platform.procedure import Context, Send
from ferryman.sm_sr.records import EUICC, SRSettings

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


def keep_only_ours(card: EUICC) -> bytes:
    """The C-APDU that deletes every key set of the ISD-R but those that the EIS names."""
    keep = [(card.scp80_version, 1, SCP80_KEYS)]
    if card.scp81_version:
        keep.append((card.scp81_version, 1, SCP81_KEYS))
    return isdr.finalise_isdr_handover(keep)


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
