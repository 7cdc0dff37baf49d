"""Every SOAP message that leaves through our HTTP, in whatever test, against the reference schema with libxml2.

The octets are looked at where they go to the socket (`http_message.post` and `http_message.response`), so that no
way of writing a message can go round it. A process of its own is started by way of this module (`started`): it
writes a line for each message beside its databases, at once, for it may be killed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
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


SEEN = "soap-seen.txt"


class Noting(Guard):
    """In a process of its own: a line for each message, empty for a good one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def look(self, octets: bytes) -> None:
        before = self.looked_at
        super().look(octets)
        if self.looked_at > before:
            text, self.wrong = " ".join(self.wrong), []
            os.write(self._file, text.replace("\n", " ").encode() + b"\n")


def started(data: Path, *arguments: str) -> tuple[str, ...]:
    """How to start `ferryman` as a process whose SOAP messages are looked at."""
    return (sys.executable, str(Path(__file__).resolve()), str(data / SEEN), *arguments)


def messages(data: Path) -> int:
    """Every SOAP message that an installation has sent was valid; how many there were."""
    lines = (data / SEEN).read_text().splitlines()
    wrong = [line for line in lines if line]
    assert not wrong, wrong
    return len(lines)


if __name__ == "__main__":
    from ferryman.cli import main  # not for the test suite: who imports it looks at what the roles are made of

    Noting(Path(sys.argv.pop(1))).stand(pytest.MonkeyPatch())
    main.main()
