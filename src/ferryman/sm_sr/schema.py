"""Tables of the SM-SR: the repository of EISs (SGP.02 Annex E). Memory in bytes, times in seconds since 1970.

What changes with every contact of a card stands in `contact`: the row of `euicc` has the signed part and is large.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from ferryman.contracts.queue import OPEN, EntryState
from ferryman.platform.schema import Sequence, platform_tables

METADATA = MetaData()
PLATFORM = platform_tables(METADATA)
# What somebody has asked for is listed by its time; of very many, the few that run are looked for.
Index("procedure_by_requester", PLATFORM.procedure.c.requester, PLATFORM.procedure.c.created)
IS_UNANSWERED_CALL = text("answer IS NULL")
Index(
    *("call_unanswered", PLATFORM.call.c.requester),
    sqlite_where=IS_UNANSWERED_CALL,
    postgresql_where=IS_UNANSWERED_CALL,
)

euicc = Table(
    "euicc",
    METADATA,
    Column("eid", String(32), primary_key=True),
    Column("eum_id", String(200), nullable=False),
    Column("platform_type", String(100), nullable=False),
    Column("platform_version", String(20), nullable=False),
    Column("rpv", String(20), nullable=False),
    Column("http_support", Boolean, nullable=False),
    Column("cattp_support", Boolean, nullable=False),
    Column("smsr_id", String(200), nullable=False),
    Column("remaining_memory", BigInteger, nullable=False),
    Column("available_memory", BigInteger, nullable=False),
    Column("scp80_version", BigInteger, nullable=False),
    Column("scp80_counter", BigInteger, nullable=False),  # as delivered; the channel procedure counts on from it
    Column("scp81_version", BigInteger, nullable=False),  # 0 = no key set
    Column("signed_info", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("imei", String(20), nullable=False),
    Column("last_audit", Double),
    Column("created", Double, nullable=False),
    Column("meid", String(20), nullable=False, server_default=""),
    Column("isdr", Text, nullable=False, server_default=""),  # SecurityDomain as JSON; empty = not told
    Column("properties", Text, nullable=False, server_default="[]"),  # AdditionalProperties as JSON
    Column("differs", Text, nullable=False, server_default="{}"),  # from its eUICC type, JSON
    Column("card_free_nvm", BigInteger),  # as the card reported last, None = never
    Column("card_free_ram", BigInteger),
    Index("euicc_by_type", "eum_id", "platform_type", "platform_version"),
    Index("euicc_by_imei", "imei"),
)

isdp = Table(
    "isdp",
    METADATA,
    Column("eid", String(32), ForeignKey("euicc.eid"), primary_key=True),
    Column("aid", LargeBinary, primary_key=True),
    Column("iccid", String(20), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("smdp_id", String(200), nullable=False),
    Column("state", String(12), nullable=False),  # InCreation | Created | Disabled | Enabled
    Column("fallback", Boolean, nullable=False),
    Column("imsi", String(15), nullable=False),
    Column("msisdn", String(15), nullable=False),
    Column("profile_type", String(100), nullable=False),
    Column("allocated_memory", BigInteger, nullable=False),
    Column("pol2", LargeBinary, nullable=False),
    Column("free_memory", BigInteger),  # None = not known
    UniqueConstraint("iccid", name="isdp_iccid"),
    Index("isdp_by_msisdn", "msisdn"),
    Index("isdp_by_owner", "owner", "eid"),
    Index("isdp_by_aid", "aid", "eid"),
)

contact = Table(
    "contact",
    METADATA,
    Column("eid", String(32), primary_key=True),
    Column("last", Double),  # the card spoke last
    Column("transport", String(8), nullable=False),  # by which it spoke
    Column("reachable", String(8), nullable=False),  # yes | no
    Column("sms_out", BigInteger, nullable=False),  # packets to the card
    Column("sms_in", BigInteger, nullable=False),
    Column("https_out", BigInteger, nullable=False),  # scripts to the card
    Column("https_in", BigInteger, nullable=False),  # POSTs of the card
    Column("answered", BigInteger, nullable=False),  # commands by their outcome
    Column("rejected", BigInteger, nullable=False),
    Column("unreachable", BigInteger, nullable=False),
    Column("unknown", BigInteger, nullable=False),
)

prepared_change = Table(
    "prepared_change",
    METADATA,
    Column("eid", String(32), primary_key=True),
    Column("current_smsr", String(200), nullable=False),
    Column("initiator", String(200), nullable=False),
    Column("expires", Double, nullable=False),
)

handed_over = Table(
    "handed_over",
    METADATA,
    Column("eid", String(32), primary_key=True),
    Column("smsr_id", String(200), nullable=False),  # who manages the card now
    Column("at", Double, nullable=False),
)

# Who the gateway can reach, as it told last (contracts.peers.PeersKnown).
peer_link = Table(
    "peer_link",
    METADATA,
    Column("kind", String(12), primary_key=True),  # operator | sm-dp | sm-sr | m2m-sp
    Column("oid", String(128), primary_key=True),
    Column("v4", Boolean, nullable=False, server_default=false()),  # it speaks the functions of v4
)

# What owners allow M2M SPs with profiles of a type, and what they do not want to hear (contracts.v4).
plma = Table(
    "plma",
    METADATA,
    Column("owner", String(128), primary_key=True),
    Column("m2m_sp", String(128), primary_key=True),
    Column("profile_type", String(100), primary_key=True),
    Column("record", LargeBinary, nullable=False),  # PLMA as JSON
)
onc = Table(
    "onc",
    METADATA,
    Column("owner", String(128), primary_key=True),
    Column("profile_type", String(100), primary_key=True),
    Column("record", LargeBinary, nullable=False),  # ONC as JSON
)

held_notice = Table(
    "held_notice",
    METADATA,
    Column("eid", String(32), primary_key=True),
    Column("aid", LargeBinary, primary_key=True),
    Column("profile", LargeBinary, nullable=False),  # records.ISDP as it was before it was disabled, JSON
)

tag = Table(
    "tag",
    METADATA,
    Column("eid", String(32), primary_key=True),
    Column("name", String(60), primary_key=True),
    Index("tag_by_name", "name", "eid"),
)

euicc_type = Table(
    "euicc_type",
    METADATA,
    Column("eum_id", String(200), primary_key=True),
    Column("platform_type", String(100), primary_key=True),  # empty = every one of the maker
    Column("platform_version", String(20), primary_key=True),  # empty = every one
    Column("says", Text, nullable=False),  # fields of euicc_type.Effective, JSON
    Column("updated", Double, nullable=False),
)

trail = Table(
    "trail",
    METADATA,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("eid", String(32), nullable=False),
    Column("smsr_id", String(200), nullable=False),
    Column("at", Double, nullable=False),
    Column("operation", BigInteger, nullable=False),  # OperationType, two octets
    Column("requester", String(200), nullable=False),
    Column("status", Text, nullable=False),  # ExecutionStatus as JSON; empty for a notification
    Column("aid", LargeBinary, nullable=False),
    Column("iccid", String(20), nullable=False),
    Column("imei", String(20), nullable=False),
    Column("meid", String(20), nullable=False),
    Index("trail_by_eid", "eid", "seq"),
)

# A deployment's transport scripts: texts by version, when which was active, and the last decisions.
script = Table(
    "script",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("added", Double, nullable=False),
    UniqueConstraint("digest", name="script_digest"),
)

script_activation = Table(
    "script_activation",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),  # 0: the built-in policy
    Column("at", Double, nullable=False),
    Column("by", String(200), nullable=False),
)

script_decision = Table(
    "script_decision",
    METADATA,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("eid", String(32), nullable=False),
    Column("at", Double, nullable=False),
    Column("question", LargeBinary, nullable=False),
    Column("plan", LargeBinary, nullable=False),
    Column("problem", String(400), nullable=False),
    Index("script_decision_by_eid", "eid", "seq"),
)

# What waits for each eUICC.
ENDED_STATES = tuple(state.value for state in EntryState if state not in OPEN)
# In the words of the index below, letter by letter, or it is not used. One term, or SQLite takes another index.
IS_ENDED_ALONE = text(
    f"(campaign IS NULL AND state IN ({', '.join(f"'{state}'" for state in ENDED_STATES)})) IS TRUE"
)
# What somebody looks for in a campaign of very many; what is answered costs nothing in the index of it. SQLite
# takes the index for `state = 'failed'` when that is a term of this one, letter by letter.
UNANSWERED_STATES = tuple(state for state in ENDED_STATES if state != EntryState.ANSWERED)
IS_UNANSWERED = text(" OR ".join(f"state = '{state}'" for state in UNANSWERED_STATES))
queue_entry = Table(
    "queue_entry",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),  # order of arrival
    Column("eid", String(32), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("function", String(20), nullable=False),
    Column("iccid", String(20), nullable=False),
    Column("request", LargeBinary, nullable=False),  # the function's request, JSON
    Column("priority", Integer, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", String(400), nullable=False),
    Column("result", Text, nullable=False),
    Column("pulled", Boolean, nullable=False),  # the eUICC comes by itself: nothing begins before it is there
    Column("key", String(100)),
    Column("campaign", String(100)),  # identifier of the campaign that it belongs to
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    UniqueConstraint("eid", "key", name="queue_entry_key"),
    UniqueConstraint("campaign", "eid", name="queue_entry_campaign"),
    Index("queue_entry_by_eid", "eid", "state", "priority", "seq"),
    # By campaign before time: what a paused one has waiting is never looked through.
    Index("queue_entry_by_due", "state", "pulled", "campaign", "not_before"),
    Index("queue_entry_by_end", "state", "expires"),
    # What the retention takes; nothing that is open costs anything in it.
    Index("queue_entry_ended", "updated", sqlite_where=IS_ENDED_ALONE, postgresql_where=IS_ENDED_ALONE),
    Index(
        *("queue_entry_unanswered", "campaign", "state", "eid"),
        sqlite_where=IS_UNANSWERED,
        postgresql_where=IS_UNANSWERED,
    ),
)

# One entry for each of many eUICCs. Its counts follow every entry in the same transaction, so that nobody counts.
campaign = Table(
    "campaign",
    METADATA,
    Column("id", String(20), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("name", String(100), nullable=False),
    Column("function", String(20), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("request", LargeBinary, nullable=False),  # CampaignStart, JSON
    Column("state", String(10), nullable=False),  # running | paused | cancelled
    Column("reason", String(400), nullable=False),
    Column("adding", Boolean, nullable=False),
    Column("place", String(32), nullable=False),  # EID that was looked at last
    Column("looked", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False),
    *(Column(state, BigInteger, nullable=False) for state in EntryState),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    UniqueConstraint("owner", "name", name="campaign_name"),
    Index("campaign_by_state", "state", "priority"),
)
