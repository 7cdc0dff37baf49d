"""TLS towards an SMSC: the certificate's chain and name are checked before anything of ours is sent (RFC 9325)."""

from __future__ import annotations

import ssl

from ferryman.errors import InputError
from ferryman.transport_sms.settings import SMPPSettings


def client_context(settings: SMPPSettings) -> ssl.SSLContext | None:
    """What an account's connections are wrapped in; None for an account without TLS.

    TLS 1.2 or newer. Raises InputError when a file cannot be read or a key does not fit its certificate.
    """
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file or None)
    except (OSError, ssl.SSLError):
        raise InputError("smpp.tls_ca_file", "is no readable file of PEM certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls_certificate_file:
        try:
            # An encrypted key is refused: there is nobody who could type its password.
            context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file, password=_no_password)
        except (OSError, ssl.SSLError, ValueError):
            raise InputError(
                "smpp.tls_certificate_file", "and tls_key_file are no readable PEM certificate and its key"
            ) from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")
