"""Commands on subscriptions: import of files and ranges, dry run with a report, output for HLR, AuC and UDM."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, TextIO

from cyclopts import App

from ferryman.cli import output
from ferryman.cli.commands import DATA, OWNER, read_file
from ferryman.cli.operator import Operator
from ferryman.cli.profile_commands import write_secret
from ferryman.cli.session import operator
from ferryman.contracts import imports
from ferryman.contracts.imports import KeyRange
from ferryman.errors import InputError
from ferryman.platform.importing import ImportDone, ReportLine
from ferryman.profile.subscriptions import read_input_variables

SHOWN = 20  # refused rows that a dry run prints; a report file has all
PRIVATE = 0o600
EXPORT_HEADING = ("ICCID", "IMSI", "MSISDN", "ALGORITHM", "EKI", "EOPC")

subscription = App(name="subscription", help="Subscriptions of an operator.")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        stream = path.open("rb")
    except OSError as problem:
        raise InputError(str(path), f"cannot be read ({problem.strerror})") from None
    with stream:
        yield stream


@contextlib.contextmanager
def _private(path: Path | None) -> Iterator[TextIO | None]:
    """A new file of its owner alone."""
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    except OSError as problem:
        raise InputError(str(path), f"cannot be written ({problem.strerror})") from None
    with os.fdopen(descriptor, "w", newline="") as stream:
        yield stream


class _Reporter:
    """Lines for a report file and the first refused rows for a person."""

    def __init__(self, stream: TextIO | None) -> None:
        self._writer = csv.writer(stream) if stream is not None else None
        self.refused: list[ReportLine] = []
        if self._writer is not None:
            self._writer.writerow(("line", "iccid", "outcome", "column", "rule"))

    def __call__(self, line: ReportLine) -> None:
        if self._writer is not None:
            self._writer.writerow((line.line, line.iccid, line.outcome, line.column, line.rule))
        if line.outcome == "refused" and len(self.refused) < SHOWN:
            self.refused.append(line)


def _progress(rows: int, done: int, whole: int) -> None:
    if not output.progress.is_terminal:
        return  # a log is no place for a line that is written over
    output.progress.print(f"{rows} rows, {done * 100 // max(1, whole)} %", end="\r")


def _show(done: ImportDone, reporter: _Reporter | None, *, json: bool) -> int:
    if json:
        output.emit(done)
    elif done.dry_run:
        for line in reporter.refused if reporter is not None else ():
            place = f"line {line.line}, column {line.column}" if line.column else f"line {line.line}"
            output.line(f"{place}: {line.rule}")
        output.line(f"dry run: {done.new} new, {done.known} known, {done.refused} refused; nothing was kept")
    else:
        output.line(f"{done.new} subscriptions imported, {done.known} were there before")
    return output.FAILED if done.refused else output.DONE


@subscription.command(name="import")
async def subscription_import(
    file: Path,
    *,
    profile_type: str,
    mapping: Path | None = None,
    openpgp: bool = False,
    signed_by: str = "",
    dry_run: bool = False,
    report: Path | None = None,
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Import subscriptions from a file: the secrets go to the CryptoServer, whole file or nothing.

    The same command again goes on after an interruption; the same file again changes nothing.

    Parameters
    ----------
    file
        CSV with ICCID, IMSI, MSISDN, KI, OPC (or OP), PIN1, PUK1, ADM1, KIC, KID, KIK, or what the mapping says.
    profile_type
        The profile type (template) that the subscriptions are for.
    mapping
        YAML that declares format, columns, their spelling and their transport keys.
    openpgp
        The file is in an OpenPGP envelope, encrypted to our key (`ferryman key show-openpgp`).
    signed_by
        Name of the correspondent whose OpenPGP key must have signed the envelope.
    dry_run
        Go through the whole file, keep nothing; exit status 1 when a row is refused.
    report
        CSV file that gets one line for each row: what becomes of it and why. It holds no secret.
    """
    declared = read_file(mapping).decode("utf-8", "replace") if mapping is not None else ""
    with _opened(file) as stream, _private(report) as lines:
        reporter = _Reporter(lines)
        async with operator(data, owner) as calls:
            importer = calls.importer(report=reporter, progress=None if json else _progress)
            if openpgp or signed_by:
                done = await importer.envelope(
                    stream, profile_type, mapping=declared, signer=signed_by, dry_run=dry_run
                )
            else:
                done = await importer.file(stream, profile_type, mapping=declared, dry_run=dry_run)
    return _show(done, reporter, json=json)


@subscription.command(name="generate")
async def subscription_generate(
    *,
    profile_type: str,
    first_iccid: str = "",
    first_imsi: str = "",
    first_msisdn: str = "",
    count: int = 0,
    input_file: Path | None = None,
    algorithm: Literal["milenage", "tuak", "test", "xor"] = "milenage",
    key_bytes: int = 16,
    operator_key: str = "",
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Make subscriptions of a range: the server makes Ki, OPc, codes and OTA keys.

    Parameters
    ----------
    first_iccid
        First ICCID: 18 digits, or 19 with the check digit.
    input_file
        A card maker's input file (.inp) that gives quantity, first ICCID and first IMSI instead.
    algorithm
        milenage, tuak, test or xor.
    operator_key
        Name of the imported OP or TOP; without it each subscription has an OPc or TOPc of its own.
    """
    if input_file is not None:
        variables = read_input_variables(read_file(input_file))
        first_iccid, first_imsi, count = variables.first_iccid, variables.first_imsi, variables.quantity
    wanted = KeyRange(first_iccid, first_imsi, first_msisdn, count, algorithm, key_bytes, operator_key)
    async with operator(data, owner) as calls:
        done = await calls.importer(progress=None if json else _progress).range(wanted, profile_type)
    return _show(done, None, json=json)


@subscription.command(name="imports")
async def subscription_imports(*, data: Path = DATA, owner: str = OWNER, json: bool = False) -> int:
    """List the imports with the number of subscriptions that are still free."""
    async with operator(data, owner) as calls:
        page = await calls.sm_dp(imports.ListImports(owner=owner))
    views = page.imports if isinstance(page, imports.ImportPage) else ()
    if json:
        output.emit({"imports": views})
    else:
        rows = [[v.import_id, v.profile_type, v.state, str(v.rows), str(v.free)] for v in views]
        output.table("imports", ["import", "profile type", "state", "rows", "free"], rows)
    return output.DONE


@subscription.command(name="export")
async def subscription_export(
    import_id: str,
    *,
    key: str = "",
    openpgp: str = "",
    out: Path,
    cipher: Literal["aes-gcm", "aes-cbc", "aes-ecb"] = "aes-gcm",
    data: Path = DATA,
    owner: str = OWNER,
    json: bool = False,
) -> int:
    """Write Ki and OPc of an import for the HLR, AuC or UDM, encrypted under an imported key.

    Parameters
    ----------
    key
        Name of the transport key agreed with the operator's own system: each value is encrypted under it.
    openpgp
        Name of the correspondent for whose OpenPGP key the whole file is encrypted instead; signed with ours.
    cipher
        aes-gcm (nonce, value and tag; ICCID, IMSI and column are authenticated), aes-cbc (IV of zeros) or aes-ecb.
    """
    if bool(key) == bool(openpgp):
        raise InputError("export", "needs --key or --openpgp, one of the two")
    gone: tuple[str, ...] = ()
    async with operator(data, owner) as calls:
        if openpgp:
            count, sealed = await calls.exporter().sealed(import_id, openpgp)
            write_secret(out, sealed)
        else:
            count, gone = await _export_values(calls, import_id, key, cipher, out)
    if json:
        output.emit({"rows": count, "file": str(out), "without_keys": gone})
    else:
        under = f"keys under {key}" if key else f"in an envelope for {openpgp}"
        output.line(f"{count} subscriptions written, {under}")
        for iccid in gone:
            output.line(f"{iccid} without keys: it was delivered, they are destroyed here")
    return output.DONE


async def _export_values(
    calls: Operator, import_id: str, key: str, cipher: str, out: Path
) -> tuple[int, tuple[str, ...]]:
    """A file whose keys are encrypted one by one; how many rows it has, and which are without keys."""
    count, gone = 0, []
    with _private(out) as stream:
        writer = csv.writer(stream) if stream is not None else None
        if writer is not None:
            writer.writerow(EXPORT_HEADING)
        async for row in calls.exporter().values(import_id, key, cipher):
            values = (row.iccid, row.imsi, row.msisdn, row.algorithm, row.ki.hex(), row.opc.hex())
            if writer is not None:
                writer.writerow(values)
            count += 1
            if not row.algorithm:
                gone.append(row.iccid)
    return count, tuple(gone)
