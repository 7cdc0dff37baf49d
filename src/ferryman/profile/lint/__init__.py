"""Validator of profile packages: the rules of the format, each with an id (reference 1.3, 2.3, 3, 4, 8).

`check` gives every finding; importing this package registers the rules in `findings.RULES`.
"""

from __future__ import annotations

from ferryman.codec.saip.package import Package
from ferryman.profile.lint import (
    rules_fcp,
    rules_files,
    rules_identity,
    rules_keys,
    rules_order,
    rules_pins,
    rules_variables,
)
from ferryman.profile.lint.findings import ERROR, RULES, WARNING, Finding
from ferryman.profile.lint.view import view_of

__all__ = ["ERROR", "RULES", "WARNING", "Finding", "check", "check_variables"]

MODULES = (rules_order, rules_fcp, rules_files, rules_pins, rules_keys, rules_identity, rules_variables)
"""Where the rules stand."""


def check(package: Package) -> list[Finding]:
    """Everything that a package breaks, in the order of the rules. Never raises for what the schema can read."""
    return _findings(package, template=False)


def check_variables(package: Package) -> list[Finding]:
    """What the variables in the tree of a template break, whatever values they will have."""
    return _findings(package, template=True)


def _findings(package: Package, *, template: bool) -> list[Finding]:
    view = view_of(package)
    found: list[Finding] = []
    for rule in RULES.values():
        if rule.template is not template:
            continue
        for spot in rule.check(view):
            element = package.elements[spot.index]
            found.append(
                Finding(
                    rule.name,
                    rule.severity,
                    spot.index,
                    element.name,
                    element.identification,
                    spot.field,
                    spot.message,
                )
            )
    return found
