"""The same GetEIS exchange by other means: bare lxml, and classes of xsdata."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, make_dataclass
from typing import Any

from lxml import etree
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.serializers import XmlSerializer

type Work = Callable[[bytes], bytes]


def bare(answer: bytes) -> Work:
    """Parse the request, build the answer element by element, write it."""
    template = _spec(etree.fromstring(answer))

    def work(request: bytes) -> bytes:
        root = etree.fromstring(request)
        if len(root) != 2:
            raise RuntimeError("no envelope")
        return etree.tostring(_built(None, template))

    return work


type _Spec = tuple[Any, dict[Any, Any], str | None, dict[Any, Any], list[Any]]


def _spec(element: etree._Element) -> _Spec:
    return (element.tag, dict(element.attrib), element.text, element.nsmap, [_spec(child) for child in element])


def _built(parent: etree._Element | None, spec: _Spec) -> etree._Element:
    tag, attributes, text, names, children = spec
    if parent is None:
        made = etree.Element(tag, attributes, nsmap=names)
    else:
        made = etree.SubElement(parent, tag, attributes)
    made.text = text
    for child in children:
        _built(made, child)
    return made


def by_classes(request: bytes, answer: bytes) -> Work:
    """xsdata: the request into objects, the answer out of objects made anew."""
    answer_element = etree.fromstring(answer)
    asked, told = _Classes(etree.fromstring(request)), _Classes(answer_element)
    parser, serializer = XmlParser(), XmlSerializer()

    def work(octets: bytes) -> bytes:
        parser.from_bytes(octets, asked.root)
        return serializer.render(told.filled(answer_element)).encode()

    return work


class _Classes:
    """A data class for each place of a document, as a generator would write them."""

    def __init__(self, root: etree._Element) -> None:
        self._attributes: dict[str, dict[str, None]] = {}
        self._children: dict[str, dict[Any, None]] = {}
        self._made: dict[str, Any] = {}
        self._collect(root, "")
        self.root = self._class(str(root.tag), "")

    def _collect(self, element: etree._Element, above: str) -> None:
        path = f"{above}/{element.tag}"
        self._attributes.setdefault(path, {}).update(dict.fromkeys(str(name) for name in element.attrib))
        found = self._children.setdefault(path, {})
        for child in element:
            found[child.tag] = None
            self._collect(child, path)

    def _class(self, tag: str, above: str) -> Any:
        path = f"{above}/{tag}"
        names: list[Any] = []
        if not self._children[path]:
            names.append(("value", str, field(default="")))
        for attribute in self._attributes[path]:
            metadata = {"type": "Attribute", "name": attribute}
            names.append((_name(attribute), str, field(default="", metadata=metadata)))
        for child in self._children[path]:
            space, local = _split(child)
            told = {"type": "Element", "name": local, "namespace": space}
            kind = self._class(str(child), path)
            names.append((_name(child), list[kind], field(default_factory=list, metadata=told)))  # type: ignore[valid-type]
        space, local = _split(tag)
        made: Any = make_dataclass(_name(tag), names)
        made.Meta = type("Meta", (), {"name": local, "namespace": space})
        self._made[path] = made
        return made

    def filled(self, element: etree._Element, above: str = "") -> Any:
        """Objects with the values of an element."""
        path = f"{above}/{element.tag}"
        values: dict[str, Any] = {} if self._children[path] else {"value": element.text or ""}
        values |= {_name(name): value for name, value in element.attrib.items()}
        for child in element:
            values.setdefault(_name(child.tag), []).append(self.filled(child, path))
        return self._made[path](**values)


def _split(tag: Any) -> tuple[str, str]:
    space, _, local = str(tag).rpartition("}")
    return space.removeprefix("{"), local


def _name(tag: Any) -> str:
    return "f_" + _split(tag)[1].replace("-", "_")
