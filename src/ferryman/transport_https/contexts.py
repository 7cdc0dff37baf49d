"""TLS contexts for pre-shared keys, RFC 4279 with the two suites of SGP.02 v3.2.

Python's `ssl` gives the PSK callback no connection, keeps a session cache that cannot be switched off and
holds it for the life of the context. So: a key slot that is filled only around one synchronous handshake step,
a fresh context for every client that could be asking to resume, and a shared one for the others that is
replaced after a while so that the secrets of finished sessions do not pile up in its cache.
"""

from __future__ import annotations

import ssl
from typing import Final

SUITES: Final = "PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256"  # 00A8, 00AE: what SGP.02 asks for, nothing else
SUITE_NAMES: Final = frozenset(SUITES.split(":"))
SHARED_CONTEXT_USES: Final = 1_024  # handshakes: bounds the session secrets that OpenSSL caches in one context


class PSKContext:
    """One SSLContext and the slot through which its PSK callback gets the key of the current handshake."""

    def __init__(self) -> None:
        self._key = b""
        self.key_taken = False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(SUITES)
        context.options |= (
            ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        )
        context.set_psk_server_callback(self._callback)
        self._context = context

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """A server side TLS object on two memory buffers."""
        return self._context.wrap_bio(incoming, outgoing, server_side=True)

    def handshake(self, tls: ssl.SSLObject, key: bytes) -> bool:
        """One step of a handshake of `tls` with `key`; True when it is done, False when more octets are due.

        `key_taken` says afterwards whether the library asked for the key in this step. An empty key makes OpenSSL
        answer unknown_psk_identity. Raises what `do_handshake` raises for anything else. The key is out of reach
        again when this returns.
        """
        self._key = key
        self.key_taken = False
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._key = b""
        return True

    def _callback(self, identity: str | None) -> bytes:
        # The identity was read from the record already, as octets; OpenSSL's copy ends at a zero octet.
        self.key_taken = True
        return self._key


class ContextPool:
    """Hands out contexts so that no client can ever resume a session."""

    def __init__(self, shared_uses: int = SHARED_CONTEXT_USES) -> None:
        self._shared_uses = shared_uses
        self._shared: PSKContext | None = None
        self._uses = 0

    def choose(self, *, offers_resumption: bool) -> PSKContext:
        """A context for one connection: fresh when the client presents a session id or ticket."""
        if offers_resumption:
            return PSKContext()
        if self._shared is None or self._uses >= self._shared_uses:
            self._shared = PSKContext()
            self._uses = 0
        self._uses += 1
        return self._shared
