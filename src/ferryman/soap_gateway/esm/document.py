"""XML from strangers: SOAP 1.2 section 5 (no DTD, no processing instruction), bounded before it is parsed."""

from __future__ import annotations

from typing import Any

from lxml import etree

from ferryman.errors import PeerError

MAX_DOCUMENT = 4 * 1024 * 1024  # octets; ES3.SendData carries a profile of some 500 kB as hexadecimal at most
MAX_DEPTH = 40  # elements within elements; an EIS with its signature in an envelope has 16
MAX_MARKUP = 40_000  # tags; an EIS with an audit trail of 1,500 records
_FORBIDDEN = (b"<!DOCTYPE", b"<!ENTITY", b"<!doctype", b"<!entity", b"<!ELEMENT", b"<!ATTLIST", b"<!NOTATION")


def parse(data: bytes) -> etree._Element:
    """The root of a document in UTF-8 without comments; raises PeerError.

    Declarations are looked for in the octets, before a parser has spent anything on them: what `<!DOCTYPE` can
    otherwise stand in (a comment, CDATA) no message of ours needs. Any other encoding than UTF-8 would hide
    them from that look and is refused.
    """
    if len(data) > MAX_DOCUMENT:
        raise PeerError(f"larger than {MAX_DOCUMENT} octets", field="document")
    if any(word in data for word in _FORBIDDEN):
        raise PeerError("a document type declaration is not accepted", field="document", clause="SOAP 1.2 5")
    _check_depth(data)
    parser = etree.XMLParser(
        encoding="utf-8",  # overrides what the document says of itself: UTF-16 is then not well-formed
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,  # text round a comment is one text, as in the canonical form that is signed
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as problem:
        raise PeerError(f"not well-formed XML: {problem.msg}", field="document") from None
    information: Any = root.getroottree().docinfo
    if information.doctype:
        raise PeerError("a document type declaration is not accepted", field="document", clause="SOAP 1.2 5")
    return root


def _check_depth(data: bytes) -> None:
    """Refuse what is deeper than MAX_DEPTH; a scan of the octets that allows for what is no element.

    It may count too much (CDATA) and, with `/>` inside an attribute, too little: libxml2 then stops at 256.
    """
    tags = data.count(b"<")
    if tags <= MAX_DEPTH:
        return
    if tags > MAX_MARKUP:
        raise PeerError(f"more than {MAX_MARKUP} tags", field="document")
    depth = 0
    for piece in data.split(b"<")[1:]:
        first = piece[:1]
        if first == b"/":
            depth -= 1
        elif first not in (b"!", b"?") and not piece.partition(b">")[0].endswith(b"/"):
            depth += 1
            if depth > MAX_DEPTH:
                raise PeerError(f"elements deeper than {MAX_DEPTH}", field="document")
