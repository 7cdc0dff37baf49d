"""The listening side: uvicorn with a limit in time and size for the head of a request (RFC 9112 2.3)."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from ferryman.errors import InputError
from ferryman.rest_api.protocol import protocol_of
from ferryman.rest_api.settings import RESTSettings

DRAIN = 5  # s that requests under way may take when we stop
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # forward secrecy and authenticated encryption, for TLS 1.2


class Server(uvicorn.Server):
    """Signals are the business of the process, not of one role."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_server(app: Starlette, settings: RESTSettings) -> Server:
    """A server that can take a listening socket; raises InputError for a certificate that cannot be used."""
    config = uvicorn.Config(
        app,
        http=protocol_of(settings.head_timeout),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whom to believe is decided in admission
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=int(settings.idle_timeout),
        timeout_graceful_shutdown=DRAIN,
        ssl_certfile=settings.certificate_file or None,
        ssl_keyfile=settings.key_file or None,
        ssl_ciphers=CIPHERS,
    )
    try:
        config.load()
    except OSError as problem:  # SSLError is one
        raise InputError("rest.certificate_file", f"cannot be used: {problem}") from None
    if config.ssl is not None:
        config.ssl.minimum_version = (
            ssl.TLSVersion.TLSv1_3 if settings.minimum_tls == "1.3" else ssl.TLSVersion.TLSv1_2
        )
    return Server(config)
