# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: certificates."""

from __future__ import annotations

from typing import Literal

from ferryman.client.calls import Operation, Page
from ferryman.client.methods.answers import SigningKeyView
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.eum_trust import Trusted

MAKE_SIGNING_KEY: Operation[SigningKeyView] = Operation(
    "make_signing_key", "PUT", "/signing-keys", SigningKeyView, defaults={"role": "dp", "curve": "P-256"}
)
LIST_CERTIFICATES: Operation[Page[Trusted]] = Operation(
    "list_certificates", "GET", "/certificates", Page[Trusted], defaults={"after": "", "limit": 50}
)
IMPORT_CERTIFICATE: Operation[None] = Operation(
    "import_certificate", "PUT", "/certificates/own", None, defaults={"role": "dp"}
)
IMPORT_EUM_CERTIFICATE: Operation[None] = Operation("import_eum_certificate", "PUT", "/certificates/eum", None)
IMPORT_REVOCATION_LIST: Operation[None] = Operation("import_revocation_list", "PUT", "/revocation-lists", None)


class Certificates(Sender):
    """Methods that block."""

    def make_signing_key(
        self, *, role: Literal["dp", "sr"] = "dp", curve: Literal["P-256", "brainpoolP256r1"] = "P-256"
    ) -> SigningKeyView:
        """Our signing key, made if there is none: its public half.

        For which service, and on which curve: that of the cards, as their ECASD certificate says. Needs the right
        `certificate:write`.
        `role`: dp: of the SM-DP, sr: of the SM-SR.
        """
        return self._send(MAKE_SIGNING_KEY.call(body={"role": role, "curve": curve}))

    def list_certificates(self, *, after: str = "", page_size: int = 50) -> Pages[Trusted]:
        """CIs, card makers' certificates and revocation lists.

        Needs the right `certificate:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_CERTIFICATES.call(query={"after": after, "limit": page_size}))

    def import_certificate(self, *, certificate: bytes, role: Literal["dp", "sr"] = "dp") -> None:
        """Our certificate, issued by a trusted CI for our key.

        The certificate that a CI issued for our key (7F21, base64). Needs the right `certificate:write`.
        `role`: dp: of the SM-DP, sr: of the SM-SR.
        """
        self._send(IMPORT_CERTIFICATE.call(body={"role": role, "certificate": certificate}))

    def import_eum_certificate(self, *, content: bytes) -> None:
        """Know a card maker's certificate under a trusted CI.

        A file in X.509, PEM or DER (base64). Needs the right `certificate:write`.
        """
        self._send(IMPORT_EUM_CERTIFICATE.call(body={"content": content}))

    def import_revocation_list(self, *, content: bytes) -> None:
        """Hold a trusted CI to its revocation list.

        A file in X.509, PEM or DER (base64). Needs the right `certificate:write`.
        """
        self._send(IMPORT_REVOCATION_LIST.call(body={"content": content}))


class AsyncCertificates(AsyncSender):
    """Methods that are awaited."""

    async def make_signing_key(
        self, *, role: Literal["dp", "sr"] = "dp", curve: Literal["P-256", "brainpoolP256r1"] = "P-256"
    ) -> SigningKeyView:
        """Our signing key, made if there is none: its public half.

        For which service, and on which curve: that of the cards, as their ECASD certificate says. Needs the right
        `certificate:write`.
        `role`: dp: of the SM-DP, sr: of the SM-SR.
        """
        return await self._send(MAKE_SIGNING_KEY.call(body={"role": role, "curve": curve}))

    def list_certificates(self, *, after: str = "", page_size: int = 50) -> AsyncPages[Trusted]:
        """CIs, card makers' certificates and revocation lists.

        Needs the right `certificate:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_CERTIFICATES.call(query={"after": after, "limit": page_size}))

    async def import_certificate(self, *, certificate: bytes, role: Literal["dp", "sr"] = "dp") -> None:
        """Our certificate, issued by a trusted CI for our key.

        The certificate that a CI issued for our key (7F21, base64). Needs the right `certificate:write`.
        `role`: dp: of the SM-DP, sr: of the SM-SR.
        """
        await self._send(IMPORT_CERTIFICATE.call(body={"role": role, "certificate": certificate}))

    async def import_eum_certificate(self, *, content: bytes) -> None:
        """Know a card maker's certificate under a trusted CI.

        A file in X.509, PEM or DER (base64). Needs the right `certificate:write`.
        """
        await self._send(IMPORT_EUM_CERTIFICATE.call(body={"content": content}))

    async def import_revocation_list(self, *, content: bytes) -> None:
        """Hold a trusted CI to its revocation list.

        A file in X.509, PEM or DER (base64). Needs the right `certificate:write`.
        """
        await self._send(IMPORT_REVOCATION_LIST.call(body={"content": content}))
