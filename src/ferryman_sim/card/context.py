"""What outlives one command: personalisation in progress and the secure channel session (card RAM).

It lives as long as a script, an administration session, or a chain of scripts (TS 102 226 5.2.1.3.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ferryman_sim.card.key_establishment import Certificate
from ferryman_sim.card.scp03 import Session
from ferryman_sim.profile import Installation


@dataclass(slots=True)
class Context:
    """RAM of one dialogue.

    personalized: ISD-P named by INSTALL [for personalization]. certificate and challenge: of the STORE DATA
    that verified it, for one following key request. session and session_aid: the SCP03 session and its
    ISD-P. download and installation: Profile bytes received so far and the interpreter that has them (None
    after a reset, it is then fed again). status_left: answers of GET STATUS not fetched yet.
    """

    personalized: bytes | None = None
    certificate: Certificate | None = None
    challenge: bytes | None = None
    session: Session | None = None
    session_aid: bytes | None = None
    download: bytearray = field(default_factory=bytearray)
    installation: Installation | None = None
    status_left: list[bytes] = field(default_factory=list)

    def session_of(self, aid: bytes) -> Session | None:
        """The session, if it is one of this ISD-P."""
        return self.session if self.session_aid == aid else None

    def open_session(self, aid: bytes, session: Session) -> None:
        """Start a session; whatever the former one had received is lost."""
        self.close_session()
        self.session, self.session_aid = session, aid

    def close_session(self) -> None:
        """End the session and forget a download in progress."""
        self.session, self.session_aid, self.installation = None, None, None
        self.download.clear()

    def forget(self, aid: bytes) -> None:
        """The ISD-P is gone."""
        if self.session_aid == aid:
            self.close_session()
        if self.personalized == aid:
            self.personalized, self.certificate, self.challenge = None, None, None

    def to_dict(self) -> dict[str, Any]:
        """For a chain that has to outlive a reset."""
        certificate = self.certificate
        return {
            "personalized": None if self.personalized is None else self.personalized.hex(),
            "certificate": None if certificate is None else certificate.to_list(),
            "challenge": None if self.challenge is None else self.challenge.hex(),
            "session": None if self.session is None else self.session.to_dict(),
            "session_aid": None if self.session_aid is None else self.session_aid.hex(),
            "download": self.download.hex(),
            "status_left": [item.hex() for item in self.status_left],
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Context:
        """Inverse of `to_dict`."""
        coded = ("personalized", "challenge", "session_aid")
        values = {name: None if stored[name] is None else bytes.fromhex(stored[name]) for name in coded}
        certificate, session = stored["certificate"], stored["session"]
        return cls(
            personalized=values["personalized"],
            certificate=None if certificate is None else Certificate.from_list(certificate),
            challenge=values["challenge"],
            session=None if session is None else Session.from_dict(session),
            session_aid=values["session_aid"],
            download=bytearray.fromhex(stored["download"]),
            status_left=[bytes.fromhex(item) for item in stored["status_left"]],
        )
