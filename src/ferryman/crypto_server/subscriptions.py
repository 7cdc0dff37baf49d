"""Import of subscriptions: reads files, keeps their secrets, makes keys, gives them out encrypted.

A run of rows and the note that it is stored are one commit. Whatever is asked again is answered again.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from ferryman.codec.saip.elements import MILENAGE, TUAK, USIM_TEST_ALGORITHM
from ferryman.contracts import codes, envelopes, imports
from ferryman.contracts.imports import FINISHED, RowProblem, SubscriptionPublic
from ferryman.contracts.message import Header
from ferryman.crypto_server import envelope_rows, import_rows, key_maker, origins
from ferryman.crypto_server.import_rows import DROPPING, ImportRecord
from ferryman.crypto_server.keys_at_rest import transport_ref
from ferryman.crypto_server.vault import Vault
from ferryman.errors import InputError, Refused
from ferryman.platform.clock import Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.profile.stored import Demands, read_demands
from ferryman.profile.subscriptions import (
    DEFAULT,
    Column,
    FileMapping,
    RowReader,
    Rows,
    SubscriberRange,
    read_heading,
    read_mapping,
    unpack,
)
from ferryman.profile.variables import Variable, evaluate
from ferryman.secure import transport_cipher

MAX_CHUNK = 4 << 20  # bytes of one run
MAX_GENERATED = 20_000  # subscriptions made in one run
MAX_EXPORTED = 10_000  # subscriptions in one answer
ALGORITHM_IDS = {"milenage": MILENAGE, "tuak": TUAK, "test": USIM_TEST_ALGORITHM, "xor": USIM_TEST_ALGORITHM}
ALGORITHM_NAMES = {MILENAGE: "milenage", TUAK: "tuak", USIM_TEST_ALGORITHM: "test (xor)"}
EXPORT_CIPHERS = ("aes-gcm", "aes-cbc", "aes-ecb")


class Recipe(msgspec.Struct, frozen=True):
    """How the rows of an import are read or made; sealed, since the head of a file may hold keys."""

    mapping: str
    head: bytes
    range: imports.KeyRange | None
    needs: tuple[str, ...]
    wants: tuple[str, ...]
    demands: bytes = b""

    def __repr__(self) -> str:
        return "Recipe(***)"


class Subscriptions:
    """Functions on subscriptions."""

    def __init__(self, mailbox: Mailbox, vault: Vault, entropy: Entropy) -> None:
        self._mailbox = mailbox
        self._vault = vault
        self._entropy = entropy
        self._readers: dict[str, RowReader] = {}  # of imports that run

    # -- beginning and end ------------------------------------------------------------------------------------

    async def open(self, header: Header, body: imports.OpenImport) -> imports.ImportOpened:
        """Begin an import, or say how far it is. Raises InputError when the file cannot be read as declared."""
        if body.range is not None and body.head:
            raise InputError("import", "is either of a file or of a range")
        if len(body.import_id) != 64:
            raise InputError("import_id", "must be a SHA-256 in hex")

        def unit(tx: Tx) -> imports.ImportOpened:
            head = self._head(tx.connection, body) if body.envelope else body.head
            recipe = Recipe(body.mapping, head, body.range, body.needs, body.wants, body.demands)
            record = import_rows.find(tx.connection, body.import_id)
            if record is not None and record.owner != body.owner:
                raise Refused(*codes.PROVIDER_ERROR, "the import is another operator's", identifier=body.import_id)
            if record is not None and record.state != imports.RUNNING:
                return imports.ImportOpened(state=record.state, offset=0, lines=0, chunks=record.chunks)
            names, algorithm, offset, lines, quantity = self._plan(tx.connection, recipe)
            if record is None:
                import_rows.create(
                    tx.connection,
                    import_id=body.import_id,
                    owner=body.owner,
                    algorithm=algorithm,
                    names=names,
                    recipe=self._vault.seal_many([_recipe_ref(body.import_id)], [msgspec.json.encode(recipe)])[0],
                    now=tx.now,
                )
                tx.audit(
                    actor=header.requester, action="ImportSubscriptions", object=body.import_id, outcome="begun"
                )
            return imports.ImportOpened(
                state=imports.RUNNING,
                offset=offset,
                lines=lines,
                chunks=record.chunks if record is not None else 0,
                quantity=quantity,
            )

        return await self._mailbox.transact(unit)

    def _plan(self, connection: Connection, recipe: Recipe) -> tuple[tuple[str, ...], str, int, int, int]:
        """Names of the secrets, algorithm, where rows begin, how many there are (0 = not said)."""
        if recipe.range is not None:
            operator_value = self._operator_value(connection, recipe.range)
            key_maker.check(recipe.range, operator_value, recipe.needs)
            subscribers = _range_of(recipe.range)
            demands = read_demands(recipe.demands)
            _check_algorithm(recipe.range.algorithm, demands)
            self._check_made(recipe.range, operator_value, demands.variables)
            return key_maker.NAMES, recipe.range.algorithm, 0, 0, subscribers.count
        mapping, reader = self._reader_of(connection, recipe)
        heading = read_heading(recipe.head, mapping)
        return reader.names, mapping.algorithm, heading.offset, heading.lines, heading.quantity

    def _check_made(self, wanted: imports.KeyRange, operator_value: bytes, variables: Sequence[Variable]) -> None:
        """Refuses a range whose values the template cannot take; tried with a subscription that nobody gets."""
        [packed] = key_maker.make(wanted, operator_value, 1, self._entropy)
        [(iccid, imsi, msisdn)] = _range_of(wanted).part(0, 1)
        public = {"iccid": iccid, "imsi": imsi, "msisdn": msisdn}
        evaluate(variables, {**unpack(key_maker.NAMES, packed), **public})

    def _reader_of(self, connection: Connection, recipe: Recipe) -> tuple[FileMapping, RowReader]:
        mapping = read_mapping(recipe.mapping) if recipe.mapping else DEFAULT
        keys: dict[str, bytes] = {}
        for column in mapping.columns:
            if column.transport is not None:
                keys[column.transport.key] = self._transport_key(connection, column.transport.key)

        def opener(column: Column, values: Sequence[bytes]) -> list[bytes]:
            transport = column.transport
            if transport is None or not values:
                return []
            clear = transport_cipher.decrypt(keys[transport.key], transport.cipher, transport.iv, values)
            return [value[: column.size] for value in clear]

        heading = read_heading(recipe.head, mapping)
        demands = read_demands(recipe.demands)
        _check_algorithm(mapping.algorithm, demands)
        reader = RowReader(
            mapping, heading, opener, needs=recipe.needs, wants=recipe.wants, variables=demands.variables
        )
        return mapping, reader

    def _transport_key(self, connection: Connection, name: str) -> bytes:
        key = self._vault.get(connection, transport_ref(name))
        if key is None:
            sentence = f"no transport key {name!r}; import it with `ferryman key import-transport`"
            raise Refused(*codes.PROVIDER_ERROR, sentence, identifier=name)
        return key

    def _operator_value(self, connection: Connection, wanted: imports.KeyRange) -> bytes:
        return self._transport_key(connection, wanted.operator_key) if wanted.operator_key else b""

    async def close(self, header: Header, body: imports.CloseImport) -> imports.ImportClosed:
        """End an import, or delete some of what it stored; a repeat is harmless."""

        def unit(tx: Tx) -> imports.ImportClosed:
            record = import_rows.find(tx.connection, body.import_id)
            if record is None or record.owner != body.owner:
                if body.keep:
                    raise Refused(*codes.PROVIDER_ERROR, "no such import", identifier=body.import_id)
                if envelope_rows.find(tx.connection, body.owner, body.import_id) is not None:
                    envelope_rows.drop(tx.connection, body.import_id)
                return imports.ImportClosed(rows=0)
            envelope_rows.drop(tx.connection, body.import_id)
            if record.state == FINISHED:
                if not body.keep:
                    raise Refused(*codes.PROVIDER_ERROR, "the import is finished", identifier=body.import_id)
                return imports.ImportClosed(rows=record.rows)
            if body.keep and record.state == DROPPING:
                raise Refused(*codes.PROVIDER_ERROR, "the import is being dropped", identifier=body.import_id)
            left = 0
            if body.keep:
                import_rows.finish(tx.connection, record)
            else:
                left = import_rows.drop(tx.connection, record)
            if not left:
                tx.audit(
                    actor=header.requester,
                    action="ImportSubscriptions",
                    object=body.import_id,
                    outcome=f"{record.rows} rows" if body.keep else "dropped",
                )
            return imports.ImportClosed(rows=record.rows, left=left)

        self._readers.pop(body.import_id, None)
        return await self._mailbox.transact(unit, long=True)

    # -- rows -------------------------------------------------------------------------------------------------

    async def chunk(self, _header: Header, body: imports.ImportChunk) -> imports.ChunkImported:
        """Store one run of a file."""
        if len(body.data) > MAX_CHUNK:
            raise InputError("run", f"has more than {MAX_CHUNK} bytes")
        reader = await self._mailbox.store.read(lambda connection: self._reader(connection, body))
        rows = reader.read(body.data, body.line)
        return await self._mailbox.transact(lambda tx: self._store(tx, body, rows), long=True)

    async def envelope_run(self, header: Header, body: envelopes.ImportEnvelopeRun) -> imports.ChunkImported:
        """Store one run of what was in an envelope; its first run begins with the heading."""

        def facts(connection: Connection) -> tuple[RowReader, int, bytes]:
            envelope_rows.require(connection, body.owner, body.import_id, envelopes.OPENED)
            line, data = envelope_rows.run_of(connection, self._vault, body.import_id, body.number)
            return self._reader(connection, body), line, data

        reader, line, data = await self._mailbox.store.read(facts)
        if body.number == 0:
            line, data = reader.heading.lines + 1, data[reader.heading.offset :]
        chunk = imports.ImportChunk(
            owner=body.owner,
            import_id=body.import_id,
            number=body.number,
            line=line,
            data=data,
            lenient=body.lenient,
        )
        return await self.chunk(header, chunk)

    def _head(self, connection: Connection, body: imports.OpenImport) -> bytes:
        """The beginning of a file that came in an envelope."""
        found = envelope_rows.require(connection, body.owner, body.import_id, envelopes.OPENED)
        return envelope_rows.run_of(connection, self._vault, body.import_id, 0)[1] if found.runs else b""

    def _reader(
        self, connection: Connection, body: imports.ImportChunk | envelopes.ImportEnvelopeRun
    ) -> RowReader:
        record = import_rows.require_running(connection, body.owner, body.import_id)
        reader = self._readers.get(body.import_id)
        if reader is None:
            _, reader = self._reader_of(connection, self._recipe(record))
            self._readers[body.import_id] = reader
        return reader

    def _recipe(self, record: ImportRecord) -> Recipe:
        opened = self._vault.open_one(_recipe_ref(record.import_id), record.recipe)
        return msgspec.json.decode(opened, type=Recipe)

    def _store(
        self, tx: Tx, body: imports.ImportChunk | imports.GenerateChunk, rows: Rows
    ) -> imports.ChunkImported:
        record = import_rows.require_running(tx.connection, body.owner, body.import_id)
        if body.number > record.chunks:
            raise Refused(*codes.PROVIDER_ERROR, f"run {record.chunks} is missing", identifier=body.import_id)
        repeat = body.number < record.chunks
        lenient = isinstance(body, imports.ImportChunk) and body.lenient
        problems = [RowProblem(each.line, each.column, each.rule) for each in rows.problems]
        twice = {each.line for each in rows.problems}
        clashes, known = self._clashes(tx.connection, record, rows, repeat=repeat)
        problems = sorted([*problems, *clashes], key=lambda problem: problem.line)
        bad = twice | {problem.line for problem in clashes}
        good = [at for at, line in enumerate(rows.lines) if line not in bad] if bad else range(len(rows.lines))
        if problems and not lenient:
            return imports.ChunkImported(rows=(), lines=(), problems=tuple(problems))
        if not repeat:
            new = [at for at in good if at not in known] if known else good
            public = [rows.public[at] for at in new] if len(new) != len(rows.public) else rows.public
            secrets = [rows.secrets[at] for at in new] if len(new) != len(rows.secrets) else rows.secrets
            import_rows.store(tx.connection, self._vault, record, public, secrets)
            import_rows.advance(tx.connection, record, len(new))
        return imports.ChunkImported(
            rows=tuple(SubscriptionPublic(*rows.public[at]) for at in good),
            lines=tuple(rows.lines[at] for at in good),
            problems=tuple(problems),
        )

    def _clashes(
        self, connection: Connection, record: ImportRecord, rows: Rows, *, repeat: bool
    ) -> tuple[list[RowProblem], frozenset[int]]:
        """Rows whose ICCID is there already: problems, and places of those that are there with the same values."""
        if not rows.public:
            return [], frozenset()
        iccids = [iccid for iccid, _, _ in rows.public]
        if not import_rows.any_between(connection, min(iccids), max(iccids)):
            return [], frozenset()
        problems: list[RowProblem] = []
        known: set[int] = set()
        batches: dict[int, ImportRecord] = {record.number: record}
        for at, (iccid, imsi, _) in enumerate(rows.public):
            found = import_rows.stored(connection, iccid)
            if found is None or (repeat and found[0] == record.number):
                continue
            number, sealed = found
            if number not in batches:
                batches[number] = import_rows.by_number(connection, number)
            other = batches[number]
            if number == record.number:
                problems.append(RowProblem(rows.lines[at], "ICCID", "stands in the file twice"))
            elif other.owner != record.owner:
                problems.append(RowProblem(rows.lines[at], "ICCID", "is in use", in_use=True))
            elif other.state != FINISHED:
                rule = "belongs to an import that has not ended"
                problems.append(RowProblem(rows.lines[at], "ICCID", rule, in_use=True))
            elif import_rows.same(self._vault, other, iccid, imsi, sealed, unpack(record.names, rows.secrets[at])):
                known.add(at)
            else:
                rule = "was imported before with other values"
                problems.append(RowProblem(rows.lines[at], "ICCID", rule, in_use=True))
        return problems, frozenset(known)

    async def generate(self, _header: Header, body: imports.GenerateChunk) -> imports.ChunkImported:
        """Make and store one run of a range."""
        if not 1 <= body.count <= MAX_GENERATED:
            raise InputError("count", f"must be between 1 and {MAX_GENERATED}")

        def unit(tx: Tx) -> imports.ChunkImported:
            record = import_rows.require_running(tx.connection, body.owner, body.import_id)
            wanted = self._recipe(record).range
            if wanted is None:
                raise Refused(*codes.PROVIDER_ERROR, "the import is of a file", identifier=body.import_id)
            public = _range_of(wanted).part(body.start, body.count)
            lines = range(body.start + 1, body.start + 1 + len(public))
            operator = self._operator_value(tx.connection, wanted)
            secrets = key_maker.make(wanted, operator, len(public), self._entropy)
            return self._store(tx, body, Rows(lines, public, secrets))

        return await self._mailbox.transact(unit, long=True)

    # -- use --------------------------------------------------------------------------------------------------

    async def secrets(self, iccid: str, imsi: str) -> dict[str, bytes]:
        """Secret values of one subscription by name; raises Refused when there are none."""

        def unit(connection: Connection) -> tuple[ImportRecord, bytes] | None:
            found = import_rows.stored(connection, iccid)
            return None if found is None else (import_rows.by_number(connection, found[0]), found[1])

        found = await self._mailbox.store.read(unit)
        if found is None:
            raise Refused(*codes.ICCID_UNKNOWN, "no secrets of this subscription", identifier=iccid)
        return import_rows.open_row(self._vault, found[0], iccid, imsi, found[1])

    async def export(self, header: Header, body: imports.ExportSubscriptions) -> imports.SubscriptionsExported:
        """Ki and OPc for the operator's own system, encrypted, audited."""
        if body.cipher not in EXPORT_CIPHERS:
            raise InputError("cipher", f"must be one of {', '.join(EXPORT_CIPHERS)}")
        if len(body.rows) > MAX_EXPORTED:
            raise InputError("rows", f"at most {MAX_EXPORTED} in one question")

        def unit(tx: Tx) -> imports.SubscriptionsExported:
            key = self._transport_key(tx.connection, body.key)
            origins.require_of_the_machine(tx.connection, self._vault, transport_ref(body.key))
            rows = tuple(self._exported(tx.connection, body, key, row) for row in body.rows)
            detail = f"{sum(1 for row in rows if row.algorithm)} of {len(rows)} rows under {body.key}"
            tx.audit(actor=header.requester, action="ExportSubscriptions", outcome="done", detail=detail)
            return imports.SubscriptionsExported(rows=rows)

        return await self._mailbox.transact(unit, long=True)

    def clear_lines(self, connection: Connection, owner: str, rows: Sequence[SubscriptionPublic]) -> bytes:
        """Lines of a file for the HLR, AuC or UDM with Ki and OPc in clear: for an envelope, nothing else.

        A subscription whose secrets are not here any more has none in its line, and no algorithm.
        """
        lines: list[str] = []
        for row in rows:
            opened = self._opened(connection, owner, row)
            if opened is None:
                lines.append(f"{row.iccid},{row.imsi},{row.msisdn},,,\r\n")
                continue
            record, values = opened
            opc = values["opc"].hex().upper() if record.algorithm in ("milenage", "tuak") else ""
            public = f"{row.iccid},{row.imsi},{row.msisdn},{record.algorithm}"
            lines.append(f"{public},{values['ki'].hex().upper()},{opc}\r\n")
        return "".join(lines).encode()

    def _opened(
        self, connection: Connection, owner: str, row: SubscriptionPublic
    ) -> tuple[ImportRecord, dict[str, bytes]] | None:
        """None for secrets that a delivery has destroyed; those of somebody else are not here either."""
        found = import_rows.stored(connection, row.iccid)
        record = import_rows.by_number(connection, found[0]) if found is not None else None
        if found is None or record is None or not hmac.compare_digest(record.owner, owner):
            return None
        return record, import_rows.open_row(self._vault, record, row.iccid, row.imsi, found[1])

    def _exported(
        self, connection: Connection, body: imports.ExportSubscriptions, key: bytes, row: SubscriptionPublic
    ) -> imports.ExportedKeys:
        opened = self._opened(connection, body.owner, row)
        if opened is None:
            return imports.ExportedKeys(row.iccid, "", b"", b"")
        record, values = opened
        has_opc = record.algorithm in ("milenage", "tuak")
        clear = [values["ki"], *([values["opc"]] if has_opc else [])]
        if body.cipher == "aes-gcm":
            bound = [f"{row.iccid},{row.imsi},{name}".encode() for name in ("KI", "OPC")]
            sealed = [
                transport_cipher.seal(key, self._entropy(transport_cipher.NONCE_BYTES), value, text)
                for value, text in zip(clear, bound, strict=False)
            ]
        else:
            sealed = transport_cipher.encrypt(key, body.cipher, clear)
        return imports.ExportedKeys(row.iccid, record.algorithm, sealed[0], sealed[1] if has_opc else b"")


def _check_algorithm(algorithm: str, demands: Demands) -> None:
    """Refuses subscriptions of one algorithm for a template of another."""
    if demands.algorithms and ALGORITHM_IDS[algorithm] not in demands.algorithms:
        used = " and ".join(ALGORITHM_NAMES[number] for number in demands.algorithms)
        raise InputError("algorithm", f"the subscriptions are of {algorithm}, the template is of {used}")


def _recipe_ref(import_id: str) -> bytes:
    return f"import/{import_id}".encode()


def _range_of(wanted: imports.KeyRange) -> SubscriberRange:
    return SubscriberRange(wanted.iccid, wanted.imsi, wanted.msisdn, wanted.count)
