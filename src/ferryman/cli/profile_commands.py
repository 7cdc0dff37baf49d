"""Commands on profile packages in files: they need no installation."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ferryman.cli import output
from ferryman.cli.commands import read_file
from ferryman.codec.saip.package import Package
from ferryman.errors import InputError
from ferryman.profile import inspect as package_inspect
from ferryman.profile.compare import differences
from ferryman.profile.documents import Form, read_package, write_package
from ferryman.profile.lint import ERROR, check

OWNER_ONLY = 0o600  # a package holds keys in clear

profile = App(name="profile", help="Profile packages.")


def package_in(file: Path, edition: str = "") -> Package:
    """The package in a file of any form; raises InputError or PeerError."""
    return read_package(read_file(file), edition=edition)


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; raises InputError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(handle, "wb") as target:
            target.write(content)
    except OSError as problem:
        raise InputError(str(path), f"cannot be written ({problem.strerror})") from None


@profile.command(name="inspect")
async def profile_inspect(file: Path, *, edition: str = "", json: bool = False) -> int:
    """Show what a profile package holds; keys and PINs are masked.

    Parameters
    ----------
    file
        The package in DER, value notation or YAML.
    edition
        "3.3.0" for a package of format 3.3 made before 3.3.1.
    """
    lines = package_inspect.describe(package_in(file, edition))
    if json:
        output.emit({"elements": lines})
    else:
        output.line(package_inspect.as_text(lines))
    return output.DONE


@profile.command(name="convert")
async def profile_convert(
    file: Path,
    *,
    to: Literal["der", "asn1", "yaml"],
    output_file: Annotated[Path, Parameter(name="--output")],
    edition: str = "",
    json: bool = False,
) -> int:
    """Write a profile package in another form, without loss; the file holds its keys in clear.

    Parameters
    ----------
    file
        The package in DER, value notation or YAML.
    to
        "der", "asn1" (value notation) or "yaml".
    output_file
        Where to write it.
    edition
        "3.3.0" for a package of format 3.3 made before 3.3.1.
    """
    form: Form = to
    content = write_package(package_in(file, edition), form)
    write_secret(output_file, content)
    if json:
        output.emit({"output": str(output_file), "form": to, "bytes": len(content)})
    else:
        output.line(f"{output_file}: {len(content)} bytes")
    return output.DONE


@profile.command(name="lint")
async def profile_lint(file: Path, *, edition: str = "", json: bool = False) -> int:
    """Check a profile package by every rule of the format; exit status 1 when it has errors.

    Parameters
    ----------
    file
        The package in DER, value notation or YAML, as it would go to a card.
    edition
        "3.3.0" for a package of format 3.3 made before 3.3.1.
    """
    found = check(package_in(file, edition))
    if json:
        output.emit({"findings": [asdict(one) for one in found]})
    else:
        for one in found:
            output.line(str(one))
        errors = sum(one.severity == ERROR for one in found)
        output.line(f"{errors} errors, {len(found) - errors} warnings")
    return output.FAILED if any(one.severity == ERROR for one in found) else output.DONE


@profile.command(name="diff")
async def profile_diff(old: Path, new: Path, *, edition: str = "", json: bool = False) -> int:
    """Show what differs between two profile packages, component by component; exit status 1 when something does.

    Parameters
    ----------
    old, new
        Packages in DER, value notation or YAML.
    edition
        "3.3.0" for packages of format 3.3 made before 3.3.1.
    """
    found = differences(package_in(old, edition), package_in(new, edition))
    if json:
        output.emit({"differences": [{"place": one.place, "old": one.old, "new": one.new} for one in found]})
    else:
        for one in found:
            output.line(f"{one.place}: {one.old or 'absent'} -> {one.new or 'absent'}")
    return output.FAILED if found else output.DONE
