"""Connectivity parameters on the command line: SMSC and HTTPS bearer by name, anything else in hex."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from ferryman.codec import admin_trigger, isdr
from ferryman.errors import InputError


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Connectivity:
    """Connectivity parameters of a profile.

    Parameters
    ----------
    smsc
        Number of the SMSC that the card sends to, as +33612345678.
    apn
        Network access name for HTTPS.
    login
        User name for that network.
    password_file
        File with the password for that network.
    connectivity
        All of it in hex instead: a run of the objects A0 (SMS), A1 (CAT_TP) and A2 (HTTPS).
    """

    smsc: str = ""
    apn: str = ""
    login: str = ""
    password_file: Path | None = None
    connectivity: str | None = None


NONE = Connectivity()


def parameters_of(given: Connectivity) -> bytes | None:
    """The objects, None when nothing was given. Raises InputError."""
    if given.connectivity is not None:
        if given != Connectivity(connectivity=given.connectivity):
            raise InputError("--connectivity", "replaces --smsc, --apn, --login and --password-file")
        try:
            return bytes.fromhex(given.connectivity)
        except ValueError:
            raise InputError("--connectivity", "must be hexadecimal") from None
    if given == NONE:
        return None
    return isdr.connectivity_parameters(given.smsc or None, https=_bearer(given))


def _password(file: Path) -> str:
    try:
        return file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise InputError(str(file), "cannot be read as a text with the password") from None


def _bearer(given: Connectivity) -> bytes | None:
    if not given.apn:
        if given.login or given.password_file:
            raise InputError("--login", "is for the network that --apn names")
        return None
    password = _password(given.password_file) if given.password_file is not None else ""
    try:
        return admin_trigger.bearer_objects(given.apn, login=given.login, password=password)
    except ValueError as problem:
        raise InputError("--apn", str(problem)) from None
