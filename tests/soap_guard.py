"""Every SOAP message that leaves through our HTTP, in whatever test, against the reference schema with libxml2.

The octets are looked at where they go to the socket (`http_message.post` and `http_message.response`), so that no
way of writing a message can go round it. What processes of their own have sent is looked at in their databases.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

import esm_samples
from ferryman.soap_gateway import http_message
from ferryman.soap_gateway.esm import description, extension
from ferryman.soap_gateway.esm.names import SOAP, WSMC

OLD = b"http://namespaces.gsma.org/esim-messaging/1"
WITHOUT_SCHEMA = (f"{{{SOAP}}}Fault", f"{{{WSMC}}}MakeConnection")


@cache
def reference() -> etree.XMLSchema:
    return esm_samples.reference_schema()


@cache
def proposal() -> etree.XMLSchema:
    """For the functions of v4 there is no reference: our own schema of them."""
    return etree.XMLSchema(etree.fromstring(description.extension_schema()))


def schema_of(element: etree._Element) -> etree.XMLSchema:
    return proposal() if etree.QName(element).namespace == extension.EXTENSION else reference()


def problem_of(octets: bytes) -> str:
    """What is wrong with an envelope, empty when nothing is."""
    try:
        # The older namespace has the same messages; its schema is this one.
        body = etree.fromstring(octets.replace(OLD, esm_samples.RPS.encode())).find(f"{{{SOAP}}}Body")
    except etree.XMLSyntaxError as problem:
        return f"is not well-formed: {problem}"
    if body is None or len(body) != 1:
        return "has not one element in its Body"
    if body[0].tag in WITHOUT_SCHEMA:
        return ""
    schema = schema_of(body[0])
    return "" if schema.validate(body[0]) else str(schema.error_log.last_error)


class Guard:
    """Looks at what passes, and remembers what is wrong: an exception could be caught on its way."""

    def __init__(self) -> None:
        self.looked_at = 0
        self.wrong: list[str] = []
        self._response: Callable[..., bytes] = http_message.response
        self._post: Callable[..., bytes] = http_message.post

    def stand(self, patch: Any) -> None:
        """From now on."""
        patch.setattr(http_message, "response", self.response)
        patch.setattr(http_message, "post", self.post)

    def response(self, status: int, body: bytes = b"", **options: Any) -> bytes:
        self.look(body)
        return self._response(status, body, **options)

    def post(self, host: str, target: str, body: bytes, action: str) -> bytes:
        self.look(body)
        return self._post(host, target, body, action)

    def look(self, octets: bytes) -> None:
        """One body of HTTP."""
        if b"Envelope" not in octets or b"definitions" in octets[:200]:
            return
        self.looked_at += 1
        problem = problem_of(octets)
        if problem:
            self.wrong.append(f"{problem}: {octets[:2_000]!r}")


def letters(data: Path) -> int:
    """Look at every message that an installation has put into the post; how many there are."""
    with contextlib.closing(sqlite3.connect(f"file:{data / 'soap-gateway.db'}?mode=ro", uri=True)) as connection:
        found = [bytes(row[0]) for row in connection.execute("SELECT envelope FROM letter")]
    wrong = [problem for problem in map(problem_of, found) if problem]
    assert not wrong, wrong
    return len(found)
