"""OpenPGP envelopes (RFC 9580) round whole files: questions to the CryptoServer, which alone holds our key.

An import file in an envelope travels to the CryptoServer as it is, a part at a time; there it is opened as a whole
or refused as a whole, and its rows are then imported run by run. A file for the HLR, AuC or UDM is put together in
the CryptoServer and leaves it in its envelope. Whatever is asked again is answered again.
"""

from __future__ import annotations

from ferryman.contracts.imports import SubscriptionPublic
from ferryman.contracts.message import Body

RECEIVING, OPENED, STAGING, SEALED = "receiving", "opened", "staging", "sealed"


class OpenPGPKey(Body, frozen=True, kw_only=True, tag=True):
    """The public half of a key: fingerprint in hex, user ids, transferable public key (ASCII armour)."""

    fingerprint: str
    user_ids: tuple[str, ...]
    public: str


class MakeOpenPGPKey(Body, frozen=True, kw_only=True, tag=True):
    """Make our key if there is none, or a new one with `renew`; what was sent to former ones still opens."""

    user_id: str
    renew: bool = False


class ImportOpenPGPKey(Body, frozen=True, kw_only=True, tag=True):
    """A correspondent's public key under `name`; with an empty name our own secret key, without a passphrase."""

    data: bytes
    name: str = ""

    def __repr__(self) -> str:
        return f"ImportOpenPGPKey(name={self.name!r}, data=***)"


class ShowOpenPGPKey(Body, frozen=True, kw_only=True, tag=True):
    """Our key, or a correspondent's."""

    name: str = ""


class BeginEnvelope(Body, frozen=True, kw_only=True, tag=True):
    """Begin or continue to hand over an import's envelope; `signer` names the key that must have signed it."""

    owner: str
    envelope_id: str
    signer: str = ""


class EnvelopeState(Body, frozen=True, kw_only=True, tag=True):
    """How far an envelope is: parts of it that are stored, runs of rows that came out of it or went in, bytes."""

    state: str
    parts: int
    runs: int
    size: int = 0


class EnvelopePart(Body, frozen=True, kw_only=True, tag=True):
    """Part `number` (from 0) of the envelope."""

    owner: str
    envelope_id: str
    number: int
    data: bytes


class OpenEnvelope(Body, frozen=True, kw_only=True, tag=True):
    """All parts are there: open it. One that is damaged, changed, not for us or not signed as asked is refused."""

    owner: str
    envelope_id: str


class ImportEnvelopeRun(Body, frozen=True, kw_only=True, tag=True):
    """Import run `number` of an opened envelope; as ImportChunk, whose answer it gets."""

    owner: str
    import_id: str
    number: int
    lenient: bool = False


class StageExport(Body, frozen=True, kw_only=True, tag=True):
    """Run `number` of a file for the HLR, AuC or UDM: Ki and OPc of these rows, kept until it is sealed."""

    owner: str
    envelope_id: str
    number: int
    rows: tuple[SubscriptionPublic, ...]


class SealEnvelope(Body, frozen=True, kw_only=True, tag=True):
    """Put what was staged into one envelope for the key `recipient`, signed with ours."""

    owner: str
    envelope_id: str
    recipient: str


class ReadEnvelope(Body, frozen=True, kw_only=True, tag=True):
    """Part `number` of a sealed envelope."""

    owner: str
    envelope_id: str
    number: int


class EnvelopeData(Body, frozen=True, kw_only=True, tag=True):
    """The part."""

    data: bytes


class DropEnvelope(Body, frozen=True, kw_only=True, tag=True):
    """Nothing of it is needed any more; answered by a state with nothing in it."""

    owner: str
    envelope_id: str


REQUESTS: tuple[type[Body], ...] = (
    MakeOpenPGPKey,
    ImportOpenPGPKey,
    ShowOpenPGPKey,
    BeginEnvelope,
    EnvelopePart,
    OpenEnvelope,
    ImportEnvelopeRun,
    StageExport,
    SealEnvelope,
    ReadEnvelope,
    DropEnvelope,
)
ANSWERS: tuple[type[Body], ...] = (OpenPGPKey, EnvelopeState, EnvelopeData)
