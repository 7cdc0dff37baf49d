"""XML made to cost or to reach something: refused, quickly, before a parser has expanded anything."""

from __future__ import annotations

import time

import pytest

from ferryman.errors import PeerError
from ferryman.soap_gateway.esm import document
from ferryman.soap_gateway.esm.document import MAX_DEPTH, MAX_DOCUMENT, MAX_MARKUP, parse

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
FORMS = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l9;</x>',
    "quadratic": f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]><x>{"&a;" * 5_000}</x>',
    "external entity": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>',
    "external by http": '<!DOCTYPE x [<!ENTITY f SYSTEM "http://127.0.0.1:9/">]><x>&f;</x>',
    "parameter entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]><x/>',
    "external subset": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
    "bare doctype": "<!DOCTYPE x><x/>",
    "lower case": "<!doctype x><x/>",
    "behind a declaration": '<?xml version="1.0"?>\n<!DOCTYPE x><x/>',
    "deep": "<a>" * (MAX_DEPTH + 1) + "</a>" * (MAX_DEPTH + 1),
    "very deep": "<a>" * 300_000,
    "deep with attributes": '<a b="1" >' * 20_000,
    "deep behind slashes": '<a b="/>">' * 300 + "</a>" * 300,
    "many elements": "<x>" + "<a/>" * (MAX_MARKUP + 1) + "</x>",
    "large": "<x>" + "a" * MAX_DOCUMENT + "</x>",
    "undefined entity": "<x>&nope;</x>",
    "not closed": "<x>",
    "two roots": "<x/><x/>",
    "nothing": "",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_refused_quickly(text: str) -> None:
    start = time.process_time()
    with pytest.raises(PeerError):
        parse(text.encode())
    assert time.process_time() - start < 0.5  # a bomb that goes off takes minutes


PARSED = {"deep behind slashes", "undefined entity", "not closed", "two roots", "nothing"}
UNPARSED = [name for name in FORMS if name not in PARSED]


@pytest.mark.parametrize("name", UNPARSED)
def test_refused_without_a_parser(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Declarations, depth, number and size are seen in the octets."""

    def parser(*_: object, **__: object) -> None:
        pytest.fail("a parser was asked")

    monkeypatch.setattr(document.etree, "XMLParser", parser)
    with pytest.raises(PeerError):
        parse(FORMS[name].encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_hide_nothing(encoding: str) -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    with pytest.raises(PeerError):
        parse(text.encode(encoding))
    with pytest.raises(PeerError):
        parse("<x/>".encode(encoding))


def test_utf7_is_not_read() -> None:
    with pytest.raises(PeerError):
        parse(b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x+AD4-<x/>')


def test_what_is_allowed_is_read() -> None:
    text = '<?xml version="1.0" encoding="UTF-8"?><!-- c --><?pi x?><x a="1">ä<![CDATA[<b>]]></x>'
    assert parse(text.encode()).text == "ä<b>"
    nested = "<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH
    assert parse(nested.encode()).tag == "a"
