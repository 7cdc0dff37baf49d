"""Writes src/ferryman/client/methods from the table of endpoints: a method of both clients for each route.

`python tools/client_methods.py` writes what has changed; a test compares. The client knows no role: types of
contracts are imported, those that the REST API alone has are written out in `answers.py`.
"""

from __future__ import annotations

import enum
import re
import subprocess
import sys
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from ferryman.contracts.secrecy import Guarded
from ferryman.rest_api.endpoint import FOUND, Endpoint
from ferryman.rest_api.endpoints import ENDPOINTS
from ferryman.rest_api.openapi import needs

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "src" / "ferryman" / "client" / "methods"
OWN = "ferryman.rest_api"  # types of this package are written out
HEADER = "# Made by tools/client_methods.py from the table of endpoints: change it there.\n"
REQUIRED = object()
MAX_LINE = 115


class Imports:
    """Names that a module needs, by the module that they come from."""

    def __init__(self) -> None:
        self.names: dict[str, set[str]] = {}

    def add(self, module: str, name: str) -> str:
        self.names.setdefault(module, set()).add(name)
        return name

    def lines(self) -> str:
        return "\n".join(
            f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(self.names.items())
        )


@dataclass
class Types:
    """Types as source text; `own` collects what must be written out."""

    own: dict[str, type] = field(default_factory=dict)

    def text(self, kind: Any, imports: Imports, *, taken: bool = False) -> str:
        """`taken`: of a parameter, where any sequence will do."""
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if kind is None or kind is type(None):
            return "None"
        if kind is Any:
            return imports.add("typing", "Any")
        if origin is typing.Annotated:
            return self.text(inner[0], imports, taken=taken)
        if isinstance(kind, typing.TypeAliasType):
            return self.text(kind.__value__, imports, taken=taken)
        if origin is Literal:
            imports.add("typing", "Literal")
            return f"Literal[{', '.join(_literal(one, imports) for one in inner)}]"
        if origin in (typing.Union, types.UnionType):
            return " | ".join(self.text(one, imports, taken=taken) for one in inner)
        if origin is tuple and len(inner) == 2 and inner[1] is ...:
            item = self.text(inner[0], imports, taken=taken)
            if taken:
                return f"{imports.add('collections.abc', 'Sequence')}[{item}]"
            return f"tuple[{item}, ...]"
        if origin is not None:
            return f"{origin.__name__}[{', '.join(self.text(one, imports, taken=taken) for one in inner)}]"
        if kind.__module__ == "builtins":
            return str(kind.__name__)
        if kind.__module__.startswith(OWN):
            return imports.add("ferryman.client.methods.answers", self._write_out(kind))
        return imports.add(kind.__module__, kind.__name__)

    def _write_out(self, kind: type) -> str:
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            raise SystemExit(f"{kind}: only structs of the REST API can be written out")
        if self.own.setdefault(kind.__name__, kind) is not kind:
            raise SystemExit(f"two types are called {kind.__name__}")
        return kind.__name__


def _literal(value: object, imports: Imports) -> str:
    if isinstance(value, enum.Enum):
        return f"{imports.add(type(value).__module__, type(value).__name__)}.{value.name}"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _default(value: Any, imports: Imports) -> str:
    if value is REQUIRED:
        return ""
    if isinstance(value, float) and value >= 1000 and value == int(value):
        return f" = {int(value):_}.0"
    return f" = {_literal(value, imports)}"


@dataclass
class Parameter:
    """Of a method: where it goes (path, query, body, whole), its types as taken, its default."""

    name: str
    place: str
    kind: str
    default: Any = REQUIRED
    told: str = ""


def _fields(struct: Any, place: str, known: Types, imports: Imports) -> list[Parameter]:
    hints = typing.get_type_hints(struct, include_extras=True)
    found = []
    for one in msgspec.structs.fields(struct):
        default: Any = REQUIRED
        if one.default is not msgspec.NODEFAULT:
            default = one.default
        elif one.default_factory is not msgspec.NODEFAULT:
            default = None
        kind = known.text(hints[one.name], imports, taken=True)
        if default is None and "None" not in kind.split(" | "):
            kind = f"{kind} | None"
        told = next((str(m.description) for m in _metas(hints[one.name]) if m.description), "")
        found.append(Parameter(one.name, place, kind, default, told))
    return found


def _metas(hint: Any) -> list[msgspec.Meta]:
    return [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, msgspec.Meta)]


class Method:
    """Source of one operation: the constant, the method that blocks, and the one that is awaited."""

    def __init__(self, endpoint: Endpoint, known: Types, imports: Imports) -> None:
        self.endpoint = endpoint
        self.imports = imports
        self.item = _item_of(endpoint.answer)
        self.parameters = [Parameter(name, "path", "str") for name in re.findall(r"\{(\w+)\}", endpoint.path)]
        self.parameters += _fields(endpoint.query, "query", known, imports)
        body = endpoint.body
        if body is not None and body.__module__.startswith(OWN):
            self.parameters += _fields(body, "body", known, imports)
        elif body is not None:
            whole = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", body.__name__).lower()
            self.parameters.append(Parameter(whole, "whole", known.text(body, imports)))
        names = [one.name for one in self.parameters]
        if len(set(names)) != len(names):
            raise SystemExit(f"{endpoint.name}: two parameters have one name ({', '.join(names)})")
        self.answer = self._answer(known)

    @property
    def constant(self) -> str:
        return self.endpoint.name.upper()

    def _answer(self, known: Types) -> str:
        if self.item is not None:
            self.imports.add("ferryman.client.calls", "Page")
            return f"Page[{known.text(self.item, self.imports)}]"
        if self.endpoint.status == FOUND:
            return "str"
        return known.text(self.endpoint.answer, self.imports)

    def operation(self) -> str:
        defaults = {
            one.name: one.default
            for one in self.parameters
            if one.default is not REQUIRED and one.place in ("query", "body")
        }
        shown = ", ".join(
            f'"{name}": {_default(value, self.imports).removeprefix(" = ")}' for name, value in defaults.items()
        )
        more = ", once=True" if self.endpoint.once else ""
        more += f", defaults={{{shown}}}" if defaults else ""
        answer = self.answer
        return (
            f"{self.constant}: Operation[{answer}] = Operation("
            f'"{self.endpoint.name}", "{self.endpoint.method}", "{self.endpoint.path}", {answer}{more})'
        )

    def source(self, *, awaited: bool) -> str:
        """The method; it is `async` when something is awaited in it."""
        send, answer, begin = "_send", self.answer, "async def" if awaited else "def"
        prefix = "await " if awaited else ""
        kind = "Async" if awaited else ""
        if self.item is not None:
            send, answer, begin, prefix = "_pages", f"{kind}Pages[{self.answer[5:-1]}]", "def", ""
            self.imports.add("ferryman.client.paging", f"{kind}Pages")
        elif self.endpoint.stream:
            send, answer, begin, prefix = "_stream", f"{kind}EventStream[{self.answer}]", "def", ""
        path = [one.name for one in self.parameters if one.place == "path"]
        given = ["self", *(f"{name}: str" for name in path)]
        rest = [one for one in self.parameters if one.place != "path"]
        rest.sort(key=lambda one: one.default is not REQUIRED)
        keyword = [f"{_python(one)}: {one.kind}{_default(one.default, self.imports)}" for one in rest]
        sending = list(path)
        for place in ("query", "body"):
            values = [one for one in self.parameters if one.place == place]
            if values:
                made = ", ".join(f'"{one.name}": {_python(one)}' for one in values)
                sending.append(f"{place}={{{made}}}")
        sending += [f"body={one.name}" for one in self.parameters if one.place == "whole"]
        if self.endpoint.versioned is not None:
            keyword.append('if_match: str = ""')
            sending.append("if_match=if_match")
        if self.endpoint.once:
            keyword.append('idempotency_key: str = ""')
            sending.append("idempotency_key=idempotency_key")
        if keyword:
            given += ["*", *keyword]
        call = f"self.{send}({self.constant}.call({', '.join(sending)}))"
        statement = (
            f"{prefix}{call}" if self.endpoint.answer is None and answer == "None" else f"return {prefix}{call}"
        )
        head = f"    {begin} {self.endpoint.name}({', '.join(given)}) -> {answer}:\n"
        return f"{head}{self._words()}        {statement}\n"

    def _words(self) -> str:
        first = f"{self.endpoint.summary}."
        more = [needs(self.endpoint)]
        body = self.endpoint.body
        if body is not None and body.__module__.startswith(OWN) and body.__doc__:
            more.insert(0, " ".join(body.__doc__.split()))
        query = self.endpoint.query
        own = [one for one in self.parameters if one.place == "query" and one.name not in ("after", "limit")]
        if own and query.__doc__:
            more.insert(0, " ".join(query.__doc__.split()))
        if self.endpoint.status == FOUND:
            more.append("The URL that a browser would be led on to.")
        told = [f"`{_python(one)}`: {one.told}" for one in self.parameters if one.told]
        return _docstring(first, [" ".join(more), *told])


def _python(one: Parameter) -> str:
    """`limit` of a list is how much is fetched at once, not how much there is."""
    return "page_size" if (one.place, one.name) == ("query", "limit") else one.name


def _docstring(first: str, paragraphs: list[str]) -> str:
    lines = [f'        """{first}', ""]
    for text in paragraphs:
        line = ""
        for word in text.split():
            if line and len(line) + 1 + len(word) > MAX_LINE - 8:
                lines.append(f"        {line}")
                line = ""
            line = f"{line} {word}".strip()
        lines.append(f"        {line}")
    return "\n".join([*lines, '        """', ""])


def _item_of(answer: Any) -> Any:
    """Of what an answer is a page; None for all others."""
    if not (isinstance(answer, type) and issubclass(answer, msgspec.Struct)):
        return None
    if [one.name for one in msgspec.structs.fields(answer)] != ["items", "next"]:
        return None
    return typing.get_args(typing.get_type_hints(answer)["items"])[0]


def _answers(known: Types) -> str:
    """The types that the REST API alone has, those that others need first."""
    imports, texts, done = Imports(), {}, False
    while not done:  # writing one out may bring in another
        done = True
        for name, kind in list(known.own.items()):
            if name not in texts:
                texts[name], done = _struct(kind, known, imports), False
    imports.names.pop("ferryman.client.methods.answers", None)
    ordered: list[str] = []

    def place(name: str) -> None:
        for other in texts:
            if other != name and other not in ordered and re.search(rf"\b{other}\b", texts[name].split('"""')[-1]):
                place(other)
        if name not in ordered:
            ordered.append(name)

    for name in sorted(texts):
        place(name)
    head = '"""What the REST API answers that is no contract\'s own."""'
    body = "\n\n\n".join(texts[name] for name in ordered)
    future = "from __future__ import annotations\n\nimport msgspec"
    return f"{HEADER}{head}\n\n{future}\n\n{imports.lines()}\n\n\n{body}\n"


def _struct(kind: Any, known: Types, imports: Imports) -> str:
    hints = typing.get_type_hints(kind, include_extras=True)
    base = "msgspec.Struct"
    if issubclass(kind, Guarded):
        base = imports.add(Guarded.__module__, Guarded.__name__)
    lines = [f"class {kind.__name__}({base}, frozen=True, kw_only=True):"]
    lines += [_told(" ".join((kind.__doc__ or "").split())), ""]
    if getattr(kind, "hidden", ()):
        imports.add("typing", "ClassVar")
        lines += [f"    hidden: ClassVar[tuple[str, ...]] = {kind.hidden!r}", ""]
    for one in msgspec.structs.fields(kind):
        text = f"    {one.name}: {known.text(hints[one.name], imports)}"
        if one.default is not msgspec.NODEFAULT:
            text += _default(one.default, imports)
        elif one.default_factory is not msgspec.NODEFAULT:
            text += f" = msgspec.field(default_factory={one.default_factory.__name__})"
        lines.append(text)
    return "\n".join(lines)


def _told(words: str) -> str:
    """The docstring of a class: one line where it fits."""
    if len(words) < MAX_LINE - 10:
        return f'    """{words}"""'
    first, _, rest = words.partition(". ")
    return "\n".join(line[4:] for line in _docstring(f"{first}.", [rest]).rstrip("\n").split("\n"))


def modules() -> dict[str, str]:
    """File name and text of each module, before ruff gives it its form."""
    known = Types()
    subjects: dict[str, list[Endpoint]] = {}
    for endpoint in ENDPOINTS:
        subjects.setdefault(endpoint.carry_out.__module__.rpartition(".")[2], []).append(endpoint)
    made: dict[str, str] = {}
    for subject, endpoints in subjects.items():
        made[f"{subject}.py"] = _module(subject, endpoints, known)
    made["answers.py"] = _answers(known)
    made["__init__.py"] = _whole(sorted(subjects))
    return made


def _module(subject: str, endpoints: list[Endpoint], known: Types) -> str:
    imports = Imports()
    imports.add("ferryman.client.calls", "Operation")
    for kind in ("AsyncSender", "Sender"):
        imports.add("ferryman.client.sender", kind)
    methods = [Method(one, known, imports) for one in endpoints]
    name = subject.title().replace("_", "")
    operations = "\n".join(one.operation() for one in methods)
    blocking = "\n".join(one.source(awaited=False) for one in methods)
    awaited = "\n".join(one.source(awaited=True) for one in methods)
    streams = ""
    if any(one.endpoint.stream for one in methods):
        imports.add("typing", "TYPE_CHECKING")
        streams = (
            "\nif TYPE_CHECKING:\n    from ferryman.client.awaiting import AsyncEventStream\n"
            "    from ferryman.client.blocking import EventStream\n"
        )
    return (
        f'{HEADER}"""Routes of the REST API: {subject}."""\n\nfrom __future__ import annotations\n\n'
        f"{imports.lines()}\n{streams}\n{operations}\n\n\n"
        f'class {name}(Sender):\n    """Methods that block."""\n\n{blocking}\n\n'
        f'class Async{name}(AsyncSender):\n    """Methods that are awaited."""\n\n{awaited}'
    )


def _whole(subjects: list[str]) -> str:
    names = {subject: subject.title().replace("_", "") for subject in subjects}
    imports = "\n".join(
        f"from ferryman.client.methods.{subject} import Async{name}, {name}" for subject, name in names.items()
    )
    return (
        f'{HEADER}"""Every route of the REST API as a method."""\n\n'
        f"from __future__ import annotations\n\n{imports}\n\n\n"
        f'class Methods({", ".join(names.values())}):\n    """Methods that block."""\n\n\n'
        f"class AsyncMethods({', '.join(f'Async{name}' for name in names.values())}):\n"
        '    """Methods that are awaited."""\n'
    )


def formed(text: str, name: str) -> str:
    """The text as `ruff check --fix` and `ruff format` want it."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    place = ["--stdin-filename", str(FOLDER / name)]
    for words in (["check", "--quiet", "--fix", "--select", "I,F401"], ["format", "--quiet"]):
        made = subprocess.run([ruff, *words, *place, "-"], input=text, capture_output=True, text=True, check=True)
        text = made.stdout
    return text


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    wanted = {name: formed(text, name) for name, text in modules().items()}
    for old in FOLDER.glob("*.py"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
