"""What the SM-SR and its two transports say to each other (the off-card half of ES5).

All packets are already secured (SCP80) or travel inside TLS (SCP81): a transport never sees a key of the
card except the one PSK that its TLS library needs, which is a call of the crypto contract, not a message.
"""

from __future__ import annotations

from ferryman.contracts.message import Body, Codec


class SubmitSMS(Body, frozen=True, kw_only=True, tag=True):
    """Send one secured packet to a card as one or more short messages.

    `sms_id` names the submission (a repeat of it is not sent twice); `destination` is an MSISDN in
    international form without `+`; `packet` starts at CPL; `validity` in seconds from reception.
    """

    sms_id: str
    destination: str
    packet: bytes
    validity: float


class SMSAccepted(Body, frozen=True, kw_only=True, tag=True):
    """The SMSC has taken every part; says nothing of the card."""

    sms_id: str


class SMSRejected(Body, frozen=True, kw_only=True, tag=True):
    """The SMSC refused a part, or the packet could not be sent within its validity.

    `nothing_sent` is true only when no part can have reached the network.
    """

    sms_id: str
    nothing_sent: bool
    permanent: bool
    reason: str


class SMSReceipt(Body, frozen=True, kw_only=True, tag=True):
    """Delivery receipt of the last part: the terminal acknowledged, or the SMSC gave up. A hint, not an answer."""

    sms_id: str
    delivered: bool
    state: str


class SMSReceived(Body, frozen=True, kw_only=True, tag=True):
    """A whole packet from a card: `kind` 70h command (notification) or 71h response, without user data header."""

    mo_id: str
    originator: str
    kind: int
    packet: bytes


class HTTPSPosted(Body, frozen=True, kw_only=True, tag=True):
    """One POST of a card in an authenticated session.

    `uri` as sent (path and query); `script_status` empty on a first request; `body` the response script;
    `notification` the E1 TLV of `?msg=`, empty when absent.
    """

    post_id: str
    session_id: str
    eid: str
    key_version: int
    uri: str
    resume: bool
    script_status: str
    body: bytes
    notification: bytes


class HTTPSAnswer(Body, frozen=True, kw_only=True, tag=True):
    """Answer to one POST: a script for `target_aid` with the URI of the next POST, or 204 when `body` is empty."""

    post_id: str
    session_id: str
    target_aid: bytes = b""
    next_uri: str = ""
    body: bytes = b""


class HTTPSClosed(Body, frozen=True, kw_only=True, tag=True):
    """The session is over, for whatever reason."""

    session_id: str
    eid: str
    reason: str


TO_SMS: tuple[type[Body], ...] = (SubmitSMS,)
FROM_SMS: tuple[type[Body], ...] = (SMSAccepted, SMSRejected, SMSReceipt, SMSReceived)
TO_HTTPS: tuple[type[Body], ...] = (HTTPSAnswer,)
FROM_HTTPS: tuple[type[Body], ...] = (HTTPSPosted, HTTPSClosed)

TO_SMS_CODEC: Codec[Body] = Codec(*TO_SMS)
TO_HTTPS_CODEC: Codec[Body] = Codec(*TO_HTTPS)
