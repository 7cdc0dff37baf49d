"""The card's side of SCP81: TLS 1.2 with pre-shared keys and HTTP remote administration.

`run_session` does a whole session on a socket; TlsClient, ResponseParser and AdminSession know no sockets.
"""

from __future__ import annotations

from .admin_request import RequestStyle, ScriptResult
from .admin_response import BadResponse, ResponseParser, ServerAnswer
from .client import Quirks, SessionResult, run_session
from .session import AdminSession, ResumeState
from .tls import TlsClient, TlsOptions
from .tls_records import TlsFailure

__all__ = [
    "AdminSession",
    "BadResponse",
    "Quirks",
    "RequestStyle",
    "ResponseParser",
    "ResumeState",
    "ScriptResult",
    "ServerAnswer",
    "SessionResult",
    "TlsClient",
    "TlsFailure",
    "TlsOptions",
    "run_session",
]
