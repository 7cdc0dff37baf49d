"""What can go wrong with a request, as exceptions: one for each status that the API documents (RFC 9457).

ClientError
  RequestRefused           the platform said no; subject and reason codes of SGP.02 5.1.6 where there are any
    BadRequest, NotAuthenticated, NotAllowed, NotFound, Conflict, Changed, TooLarge, KeyReused, PlatformFault
  NotAnswered              nothing is known, or nothing was done; asking again later may help
    TooManyRequests, PlatformUnavailable, Unreachable
  AnswerNotUnderstood      the answer is not one of this API
"""

from __future__ import annotations

from ferryman.errors import FerrymanError, PeerError, Refused, Unavailable


class ClientError(FerrymanError):
    """Base of all of them."""


class RequestRefused(ClientError, Refused):
    """The platform said no. `subject` and `reason` are empty when no code of SGP.02 fits."""

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        title: str = "",
        subject: str = "",
        reason: str = "",
        identifier: str = "",
        request_id: str = "",
    ) -> None:
        self.status = status
        self.title = title
        self.request_id = request_id  # by which the platform's log names the request
        Refused.__init__(self, subject, reason, detail, identifier=identifier)

    def __str__(self) -> str:
        return f"{self.subject}/{self.reason} {self.message}" if self.subject else self.message


class BadRequest(RequestRefused):
    """400, and what else is wrong with the request itself."""


class NotAuthenticated(RequestRefused):
    """401: no key or login, or one that is unknown, expired or revoked."""


class NotAllowed(RequestRefused):
    """403: the right is missing, or the platform does not allow it."""


class NotFound(RequestRefused):
    """404: there is no such object for you."""


class Conflict(RequestRefused):
    """409: the state of eUICC, profile or order does not allow it."""


class Changed(RequestRefused):
    """412: the object is not what `if_match` names any more."""


class TooLarge(RequestRefused):
    """413."""


class KeyReused(RequestRefused):
    """422: this idempotency key was used for another request."""


class PlatformFault(RequestRefused):
    """5xx other than 503: a fault of the platform or of something before it; nothing is known of the outcome."""


class NotAnswered(ClientError, Unavailable):
    """No answer that says anything. `unknown`: the request may have been carried out all the same."""

    def __init__(self, what: str, *, retry_after: float = 1.0, unknown: bool = False) -> None:
        self.unknown = unknown
        Unavailable.__init__(self, what, retry_after=retry_after)

    def __str__(self) -> str:
        outcome = "; whether it was done is not known" if self.unknown else ""
        return f"{self.what}{outcome}; try again in {self.retry_after:g} s"


class TooManyRequests(NotAnswered):
    """429, and still so after the repeats that were allowed."""


class PlatformUnavailable(NotAnswered):
    """503, and still so after the repeats that were allowed."""


class Unreachable(NotAnswered):
    """There is no connection, or it ended without an answer."""


class AnswerNotUnderstood(ClientError, PeerError):
    """What came is not an answer of this API: another server, or a version that is too far away."""


_BY_STATUS: dict[int, type[RequestRefused]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: Changed,
    413: TooLarge,
    422: KeyReused,
}


def refusal_of(status: int) -> type[RequestRefused]:
    """The exception for a status."""
    return PlatformFault if status >= 500 else _BY_STATUS.get(status, BadRequest)
