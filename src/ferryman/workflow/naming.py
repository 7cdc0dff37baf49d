"""Transports that a script names in its text (pure): found when it is checked, not at the first card.

A Starlark file is read by Python's own parser, which knows all of its syntax. What a script computes is looked at
when it decides (`plan.check`). A name behind a look at what is installed (`"sms" in q["installed"]`) is in order.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

SEND = "send"
PARAMETER = "transport"
INSTALLED = "installed"


def not_installed(text: str, installed: Collection[str]) -> list[tuple[int, str]]:
    """Line and name of each transport that is named for `send` and is none of `installed`."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # whether it is a script at all is said elsewhere
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = (one for node in tree.body for one in _named(node, constants, frozenset()))
    return sorted({(line, name) for line, name in found if name not in installed})


def _named(node: ast.AST, constants: dict[str, ast.expr], asked: frozenset[str]) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == SEND:
        given = node.args[:1] + [word.value for word in node.keywords if word.arg == PARAMETER]
        for value in given:
            yield from ((node.lineno, name) for name in _values(value, constants) if name not in asked)
    if isinstance(node, ast.If):
        inside = asked | _asked_for(node.test)
        for line in node.body:
            yield from _named(line, constants, inside)
        for other in (node.test, *node.orelse):
            yield from _named(other, constants, asked)
        return
    for part in ast.iter_child_nodes(node):
        yield from _named(part, constants, asked)


def _values(value: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    """What an expression can be, as far as the text says it."""
    match value:
        case ast.Constant(value=str() as name):
            yield name
        case ast.IfExp(body=body, orelse=orelse):
            yield from _values(body, constants)
            yield from _values(orelse, constants)
        case ast.Name(id=known) if known in constants:
            rest = {name: other for name, other in constants.items() if name != known}
            yield from _values(constants[known], rest)


def _asked_for(test: ast.expr) -> frozenset[str]:
    """Names that a condition finds among the installed ones; of an `or` none is sure."""
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return frozenset().union(*map(_asked_for, values))
        case ast.Compare(left=ast.Constant(value=str() as name), ops=[ast.In()], comparators=[where]):
            return frozenset({name}) if INSTALLED in ast.unparse(where) else frozenset()
        case _:
            return frozenset()
