"""Import and export of subscriptions, a run of rows at a time: questions to the CryptoServer and to the SM-DP.

An import is named by a digest of its file and of all that decides how the file is read. Both roles note how far
they are, so that it goes on after an interruption and a repeat of a run changes nothing. What the SM-DP has of an
import counts only when the import was closed with `keep`; closed without, nothing of it is left in either role.
"""

from __future__ import annotations

import msgspec

from ferryman.contracts.message import Body
from ferryman.contracts.secrecy import Guarded

RUNNING, FINISHED = "running", "finished"


class SubscriptionPublic(msgspec.Struct, frozen=True, array_like=True):
    """The part of a subscription that is no secret: digits; `msisdn` may be empty."""

    iccid: str
    imsi: str
    msisdn: str


class RowProblem(msgspec.Struct, frozen=True):
    """Why a row cannot be taken; shows no value of it. `in_use`: it clashes with what was imported before."""

    line: int
    column: str
    rule: str
    in_use: bool = False

    @property
    def sentence(self) -> str:
        """Place and rule."""
        place = f"line {self.line}, column {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.rule}"


class KeyRange(msgspec.Struct, frozen=True):
    """Subscriptions whose keys the server makes; `operator_key` names the OP or TOP, empty = an OPc for each."""

    iccid: str
    imsi: str
    msisdn: str
    count: int
    algorithm: str = "milenage"
    key_bytes: int = 16
    operator_key: str = ""


# -- CryptoServer ---------------------------------------------------------------------------------------------


class OpenImport(Body, frozen=True, kw_only=True, tag=True):
    """Begin or continue the import of a file (its `head` in clear, its `mapping`) or of a `range`.

    With `envelope` the file is what came in the OpenPGP envelope of the import's name.
    `needs` are the values that the template must have, `wants` those that it takes; what it does not take is not
    stored. Both empty: all are. By `demands`, those of the template, the values of every row are checked.
    """

    owner: str
    import_id: str
    head: bytes = b""
    mapping: str = ""
    range: KeyRange | None = None
    needs: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    envelope: bool = False
    demands: bytes = b""

    def __repr__(self) -> str:
        return f"OpenImport(import_id={self.import_id!r}, head=***)"


class ImportOpened(Body, frozen=True, kw_only=True, tag=True):
    """Rows begin `offset` bytes and `lines` lines into the file; `chunks` runs are stored already."""

    state: str
    offset: int
    lines: int
    chunks: int
    quantity: int = 0


class ImportChunk(Body, frozen=True, kw_only=True, tag=True):
    """Run `number` (from 0) of a file: whole lines, the first with number `line`. Holds key material: a call only.

    With `lenient` the good rows of a run are taken though others are wrong; else none is.
    """

    owner: str
    import_id: str
    number: int
    line: int
    data: bytes
    lenient: bool = False

    def __repr__(self) -> str:
        return f"ImportChunk(import_id={self.import_id!r}, number={self.number}, data=***)"


class GenerateChunk(Body, frozen=True, kw_only=True, tag=True):
    """Run `number` of a range: `count` subscriptions from number `start` (from 0) on."""

    owner: str
    import_id: str
    number: int
    start: int
    count: int


class ChunkImported(Body, frozen=True, kw_only=True, tag=True):
    """Rows of the run that are stored, their lines, and what is wrong with the others."""

    rows: tuple[SubscriptionPublic, ...]
    lines: tuple[int, ...]
    problems: tuple[RowProblem, ...] = ()


class CloseImport(Body, frozen=True, kw_only=True, tag=True):
    """End an import, or drop it; dropping is repeated until `left` is 0."""

    owner: str
    import_id: str
    keep: bool


class ImportClosed(Body, frozen=True, kw_only=True, tag=True):
    """Rows stored by this import, or rows still to be dropped."""

    rows: int
    left: int = 0


class ExportSubscriptions(Body, frozen=True, kw_only=True, tag=True):
    """Ki and OPc of subscriptions for the HLR, AuC or UDM, under the transport key named `key`.

    `cipher` is aes-gcm (nonce, value, tag; ICCID, IMSI and column are authenticated), aes-cbc (IV of zeros) or
    aes-ecb.
    """

    owner: str
    rows: tuple[SubscriptionPublic, ...]
    key: str
    cipher: str


class ExportedKeys(Guarded, frozen=True, array_like=True):
    """Encrypted values of one subscription; `opc` holds TOPc for TUAK and is empty where there is none.

    Without an algorithm there are no values: the secrets of a delivered subscription are destroyed.
    """

    iccid: str
    algorithm: str
    ki: bytes
    opc: bytes


class SubscriptionsExported(Body, frozen=True, kw_only=True, tag=True):
    """In the order of the question."""

    rows: tuple[ExportedKeys, ...]


CRYPTO_REQUESTS: tuple[type[Body], ...] = (
    OpenImport,
    ImportChunk,
    GenerateChunk,
    CloseImport,
    ExportSubscriptions,
)
CRYPTO_ANSWERS: tuple[type[Body], ...] = (ImportOpened, ChunkImported, ImportClosed, SubscriptionsExported)

# -- SM-DP ----------------------------------------------------------------------------------------------------


class OpenRegistration(Body, frozen=True, kw_only=True, tag=True):
    """Begin or continue the registration of an import as stock of a profile type."""

    owner: str
    profile_type: str
    import_id: str


class RegistrationOpened(Body, frozen=True, kw_only=True, tag=True):
    """`chunks` runs are registered already; `needs`, `wants` and `demands` as in OpenImport."""

    state: str
    chunks: int
    needs: tuple[str, ...]
    wants: tuple[str, ...]
    demands: bytes = b""
    new: int = 0
    known: int = 0


class RegisterChunk(Body, frozen=True, kw_only=True, tag=True):
    """Public parts of run `number`, with the lines they stand in; `lenient` as in ImportChunk."""

    owner: str
    import_id: str
    number: int
    rows: tuple[SubscriptionPublic, ...]
    lines: tuple[int, ...]
    lenient: bool = False


class ChunkRegistered(Body, frozen=True, kw_only=True, tag=True):
    """How many rows were new, which were there before with the same values, and what is wrong with others."""

    new: int
    known: tuple[int, ...]
    problems: tuple[RowProblem, ...] = ()


class CloseRegistration(Body, frozen=True, kw_only=True, tag=True):
    """End a registration: from here on its subscriptions can be ordered. Or drop it, until `left` is 0."""

    owner: str
    import_id: str
    keep: bool


class RegistrationClosed(Body, frozen=True, kw_only=True, tag=True):
    """Totals of the import."""

    new: int
    known: int
    left: int = 0


class DeleteStock(Body, frozen=True, kw_only=True, tag=True):
    """Delete free subscriptions of a finished import with their keys, some at a time: until `left` is 0."""

    owner: str
    import_id: str


class StockDeleted(Body, frozen=True, kw_only=True, tag=True):
    """How many are gone, and how many are still to go."""

    deleted: int
    left: int


class ListSubscriptions(Body, frozen=True, kw_only=True, tag=True):
    """Subscriptions of a finished import, a page behind `after` (what the page before said; empty at first)."""

    owner: str
    import_id: str
    after: str = ""
    limit: int = 1000


class SubscriptionPage(Body, frozen=True, kw_only=True, tag=True):
    """Public parts, and where the next page begins."""

    rows: tuple[SubscriptionPublic, ...]
    after: str


class ListImports(Body, frozen=True, kw_only=True, tag=True):
    """Imports of an owner, newest first."""

    owner: str


class ImportView(msgspec.Struct, frozen=True):
    """One import: `state` running or finished; `free` of its subscriptions can be ordered."""

    import_id: str
    profile_type: str
    state: str
    chunks: int
    rows: int
    known: int
    free: int
    created: float


class ImportPage(Body, frozen=True, kw_only=True, tag=True):
    """Imports."""

    imports: tuple[ImportView, ...]


SM_DP_REQUESTS: tuple[type[Body], ...] = (
    OpenRegistration,
    RegisterChunk,
    CloseRegistration,
    DeleteStock,
    ListSubscriptions,
    ListImports,
)
SM_DP_ANSWERS: tuple[type[Body], ...] = (
    RegistrationOpened,
    ChunkRegistered,
    RegistrationClosed,
    StockDeleted,
    SubscriptionPage,
    ImportPage,
)
