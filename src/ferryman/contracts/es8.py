"""ES8 behind the installation, under the SCP03 keys of an ISD-P (SGP.02 3.14): questions to the CryptoServer."""

from __future__ import annotations

from ferryman.contracts.message import Body


class ProtectConnectivity(Body, frozen=True, kw_only=True, tag=True):
    """Wrap ES8.UpdateConnectivityParameters for the session that `initialize_response` opened.

    `initialize_response` is the data of the answer to INITIALIZE UPDATE, `parameters` the run of A0, A1 and A2.
    """

    eid: str
    isdp_aid: bytes
    host_challenge: bytes
    initialize_response: bytes
    parameters: bytes


class ConnectivityProtected(Body, frozen=True, kw_only=True, tag=True):
    """EXTERNAL AUTHENTICATE and STORE DATA 3A07: C-APDUs for the ISD-P."""

    apdus: tuple[bytes, ...]


class ConfirmConnectivity(Body, frozen=True, kw_only=True, tag=True):
    """The card's answers (data and status word) to the commands of `protected`; wrong ones are refused."""

    protected: ProtectConnectivity
    answers: tuple[bytes, ...]


REQUESTS: tuple[type[Body], ...] = (ProtectConnectivity, ConfirmConnectivity)
ANSWERS: tuple[type[Body], ...] = (ConnectivityProtected,)
