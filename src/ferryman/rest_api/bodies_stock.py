"""Requests and answers about files of subscriptions that are uploaded."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ferryman.rest_api.bodies import Closed, NumberQuery, ProfileType

MAX_MAPPING = 16 * 1024  # characters
MAX_RANGE = 10_000_000  # subscriptions: an IMSI has nine or ten digits behind MCC and MNC


class NewUpload(Closed, frozen=True, kw_only=True):
    """A file of subscriptions: CSV, or a card maker's .inp or .out (base64), for a profile type.

    `mapping` (YAML, as of `ferryman subscription import --mapping`) declares format, columns, their spelling and
    transport keys; nothing is guessed. A dry run goes through the whole file and keeps nothing; what becomes of
    each row is reported then, and with `report` of an import, too. With `openpgp` the file is in an envelope for
    our OpenPGP key, with `signed_by` one that the correspondent of that name has signed.
    With `generate` the file is an input file (.inp) that says how many from which ICCID and IMSI on, and the
    server makes the keys: for `algorithm`, with the OP or TOP named `operator_key` or an OPc for each.
    """

    profile_type: Annotated[ProfileType, msgspec.Meta(min_length=1)]
    content: Annotated[bytes, msgspec.Meta(min_length=1)]
    mapping: Annotated[str, msgspec.Meta(max_length=MAX_MAPPING)] = ""
    dry_run: bool = False
    report: bool = False
    openpgp: bool = False
    signed_by: Annotated[str, msgspec.Meta(max_length=100)] = ""
    generate: bool = False
    algorithm: Literal["milenage", "tuak", "test", "xor"] = "milenage"
    operator_key: Annotated[str, msgspec.Meta(max_length=100)] = ""

    @property
    def sealed(self) -> bool:
        """Whether the content is an OpenPGP envelope."""
        return self.openpgp or bool(self.signed_by)

    def __repr__(self) -> str:
        return f"NewUpload(profile_type={self.profile_type!r}, content=***)"


class NewRange(Closed, frozen=True, kw_only=True):
    """Subscriptions of a range: the server makes Ki, OPc, codes and OTA keys for a profile type.

    `first_iccid` has 18 digits, or 19 with the check digit; `operator_key` names the OP or TOP, without it each
    subscription has an OPc or TOPc of its own. The same range again changes nothing.
    """

    profile_type: Annotated[ProfileType, msgspec.Meta(min_length=1)]
    first_iccid: Annotated[str, msgspec.Meta(max_length=20)]
    first_imsi: Annotated[str, msgspec.Meta(max_length=15)]
    first_msisdn: Annotated[str, msgspec.Meta(max_length=15)] = ""
    count: Annotated[int, msgspec.Meta(ge=0, le=MAX_RANGE)]
    algorithm: Literal["milenage", "tuak", "test", "xor"] = "milenage"
    key_bytes: Annotated[int, msgspec.Meta(ge=0, le=64)] = 16
    operator_key: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload: whole file or nothing. `progress` (0 to 1) is of the file; the counts are of rows.

    `state` is running, done, failed (`problem` names the line), or interrupted: the same file again goes on where
    it was. `import_id` names what became of it, once it is done. Times in seconds since 1970.
    """

    upload_id: str
    profile_type: str
    dry_run: bool
    state: Literal["running", "done", "failed", "interrupted"]
    progress: float
    rows: int
    new: int
    known: int
    refused: int
    problem: str
    import_id: str
    created: float
    updated: float


class UploadList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of uploads, the newest first; `next` is empty at the end."""

    items: tuple[Upload, ...]
    next: str = ""


class ReportQuery(NumberQuery, frozen=True, kw_only=True):
    """Rows with one outcome, or all."""

    outcome: Literal["", "new", "known", "refused"] = ""


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became, or would become, of a row, and why not; no secret."""

    line: int
    iccid: str
    outcome: str
    column: str
    rule: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the report of a dry run; `next` is empty at the end."""

    items: tuple[ReportRow, ...]
    next: str = ""
