"""Namespaces and addresses of SOAP 1.2, WS-Addressing 1.0, WS-MakeConnection 1.1 and WS-Security 1.1."""

from __future__ import annotations

SOAP = "http://www.w3.org/2003/05/soap-envelope"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
WSA = "http://www.w3.org/2005/08/addressing"
WSMC = "http://docs.oasis-open.org/ws-rx/wsmc/200702"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
USERNAME_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#"
ANONYMOUS = f"{WSMC}/anonymous?id="  # WS-MakeConnection: an address of somebody who cannot be called
MAKE_CONNECTION = f"{WSMC}/MakeConnection"
WSA_ANONYMOUS = f"{WSA}/anonymous"
WSA_NONE = f"{WSA}/none"
REPLY = f"{WSA}/reply"  # RelationshipType of an answer, also when none is given
FAULT_ACTION = f"{WSA}/fault"
CONTENT_TYPE = "application/soap+xml"
