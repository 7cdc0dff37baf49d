"""zeep as another party's client: built from our served WSDL alone, over mutual TLS; its messages validated."""

from __future__ import annotations

import re
from typing import Any

import requests
import zeep
from lxml import etree
from zeep.plugins import HistoryPlugin
from zeep.transports import Transport

import esm_samples
from parties import Party

WSA = "http://www.w3.org/2005/08/addressing"
RPS = esm_samples.RPS
SOAP = "http://www.w3.org/2003/05/soap-envelope"


class Validating(zeep.Plugin):  # type: ignore[misc]
    """Each answer against the reference."""

    def __init__(self) -> None:
        self.schema = esm_samples.reference_schema()

    def ingress(self, envelope: Any, http_headers: Any, operation: Any) -> Any:
        self.schema.assertValid(envelope.find(f"{{{SOAP}}}Body")[0])
        return envelope, http_headers


class SignedTransport(Transport):  # type: ignore[misc]
    """Each message against the reference; an EIS goes out as the octets that were signed.

    In a tree, lxml would give its elements the prefix of their new parent, and so change what was signed.
    """

    def __init__(self, session: requests.Session) -> None:
        super().__init__(session=session, timeout=30, operation_timeout=60)
        self.schema = esm_samples.reference_schema()
        self.eis = b""
        self.sent = 0

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> Any:
        if self.eis:
            message = re.sub(rb"<(\w+:)?Eis\b.*</(\w+:)?Eis>", lambda _: self.eis, message, flags=re.DOTALL)
        self.schema.assertValid(etree.fromstring(message).find(f"{{{SOAP}}}Body")[0])
        self.sent += 1
        return super().post(address, message, headers)


class ZeepPeer:
    """One party with zeep; `oid` is its EntityId, `provider` the one it addresses."""

    def __init__(self, url: str, party: Party, ours: Party, oid: str, reply_to: str = "") -> None:
        session = requests.Session()
        session.trust_env = False
        session.cert = (str(party.certificate_file), str(party.key_file))
        session.verify = str(ours.certificate_file)
        self.session = session
        self.url = url
        self.oid = oid
        self.reply_to = reply_to
        self.check = Validating()
        self.transport = SignedTransport(session)
        self.history = HistoryPlugin()
        self._clients: dict[str, zeep.Client] = {}
        self._calls = 0

    def client(self, interface: str) -> zeep.Client:
        """The client of one interface, from its WSDL."""
        if interface not in self._clients:
            self._clients[interface] = zeep.Client(
                f"{self.url}/{interface.lower()}?wsdl",
                transport=self.transport,
                plugins=[self.check, self.history],
            )
        return self._clients[interface]

    def call(self, function: str, provider: str, *, call_id: str = "", **values: Any) -> Any:
        """Call `ES4.EnableProfile`; the response of a synchronous function, None after a 202."""
        interface, _, name = function.partition(".")
        client = self.client(interface)
        binding = next(str(key) for key in client.wsdl.bindings if "SmSr" in str(key) or "SmDpES2" in str(key))
        service = client.create_service(binding, f"{self.url}/{interface.lower()}?EntityId={provider}")
        self._calls += 1
        base = {"FunctionCallIdentifier": call_id or f"zeep-{self._calls}", "ValidityPeriod": 600}
        return service[name](**base, **values, _soapheaders=self._headers(interface))

    def _headers(self, interface: str) -> list[etree._Element]:
        found = [self._address("From", f"https://peer.example/{interface.lower()}?EntityId={self.oid}")]
        if self.reply_to:
            found.append(self._address("ReplyTo", self.reply_to))
        return found

    def _address(self, name: str, text: str) -> etree._Element:
        header = etree.Element(f"{{{WSA}}}{name}")
        etree.SubElement(header, f"{{{WSA}}}Address").text = text
        return header

    def eis(self, document: bytes, interface: str = "ES1") -> Any:
        """A value for `Eis`. What is sent is the document itself: writing it anew would break its signature."""
        self.transport.eis = document
        example = next(text for text in esm_samples.reference_xml() if text.startswith("<Eis"))
        client = self.client(interface)
        kind = client.get_type(f"{{{RPS}}}EISType")
        return kind.parse_xmlelement(etree.fromstring(example), client.wsdl.types)

    def close(self) -> None:
        self.session.close()
