"""The three families of errors that cross a seam, and the one for input given by a person.

Anything else that is raised is a bug of ours. No message here may ever hold key material.
"""

from __future__ import annotations


class FerrymanError(Exception):
    """Base of every declared error."""


class PeerError(FerrymanError):
    """The other side broke the rules of a protocol; raised by codecs and protocol machines.

    `reason` says which rule in words, `field` names the place, `clause` the source of the rule.
    """

    def __init__(self, reason: str, *, field: str = "", clause: str = "") -> None:
        self.reason = reason
        self.field = field
        self.clause = clause
        where = f"{field}: " if field else ""
        source = f" ({clause})" if clause else ""
        super().__init__(f"{where}{reason}{source}")


class InputError(FerrymanError):
    """A file or argument given by a person is wrong: names the field (with line or path) and the rule."""

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field}: {rule}")


class Refused(FerrymanError):
    """Legal input that is not allowed or not possible; carries SGP.02 5.1.6 subject and reason codes."""

    def __init__(self, subject: str, reason: str, message: str, *, identifier: str = "") -> None:
        self.subject = subject
        self.reason = reason
        self.message = message
        self.identifier = identifier
        super().__init__(f"{subject}/{reason} {message}" if subject else message)


class Unavailable(FerrymanError):
    """Something below us does not answer now; never a guess at success or failure."""

    def __init__(self, what: str, *, retry_after: float = 1.0) -> None:
        self.what = what
        self.retry_after = retry_after
        super().__init__(f"{what} is not available; try again in {retry_after:g} s")
