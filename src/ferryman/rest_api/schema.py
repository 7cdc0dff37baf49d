"""Tables of the REST API. Times in seconds since 1970."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, String, Table, Text

from ferryman.platform.schema import Sequence, platform_tables

METADATA = MetaData()
PLATFORM = platform_tables(METADATA)

api_key = Table(
    "api_key",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the secret; the secret itself is kept nowhere
    Column("role", String(20), nullable=False),
    Column("tenant", String(128), nullable=False),  # Mno-id; empty for the platform's own staff
    Column("scopes", Text, nullable=False),  # separated by blanks; empty takes nothing away
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("revoked", Double, nullable=False),  # 0 while it is not
    Column("last_used", Double, nullable=False, server_default="0"),  # to the minute; 0 never
    Column("maker", Text, nullable=False, server_default=""),  # hands of who made it; empty: at the machine
)

# What an Idempotency-Key of a tenant was used for first.
used_key = Table(
    "used_key",
    METADATA,
    Column("id", String(32), primary_key=True),  # of tenant and key
    Column("fingerprint", LargeBinary, nullable=False),
    Column("seen", Double, nullable=False),
    Index("used_key_by_seen", "seen"),
)

# What was answered under one, where no role behind us knows the call by its name.
kept_answer = Table(
    "kept_answer",
    METADATA,
    Column("id", String(32), primary_key=True),  # as in `used_key`
    Column("actor", String(40), nullable=False),
    Column("secret", Integer, nullable=False),  # whether the answer holds one
    Column("state", String(10), nullable=False),  # begun (then the answer is a secret that was made) | done
    Column("answer", LargeBinary, nullable=False),  # JSON, sealed; empty when it is not shown again
    Column("at", Double, nullable=False),
    Index("kept_answer_by_age", "at"),
)

# Somebody who logs in, with a password of ours or by way of an OpenID provider.
account = Table(
    "account",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("tenant", String(128), nullable=False),  # Mno-id; empty for the platform's own staff
    Column("password", Text, nullable=False),  # Argon2id; empty for those who come from an OpenID provider
    Column("must_change", Integer, nullable=False),  # somebody else has known the password
    Column("totp", LargeBinary, nullable=False),  # sealed secret; empty while there is none
    Column("totp_on", Integer, nullable=False),  # 0 until a first code was right
    Column("totp_step", BigInteger, nullable=False),  # of the last code that was taken
    Column("failed", Integer, nullable=False),  # logins since the last good one
    Column("locked_until", Double, nullable=False),
    Column("disabled", Double, nullable=False),  # 0 while it is not
    Column("maker", Text, nullable=False),  # hands of who made it, or knew its password last
    Column("subject", String(300), nullable=True, unique=True),  # issuer and sub of the OpenID provider
    Column("created", Double, nullable=False),
    Column("last_login", Double, nullable=False),
    Index("account_by_tenant", "tenant", "name"),
)

# A login that has not ended. The secret itself is in the browser's cookie only.
session = Table(
    "session",
    METADATA,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the secret
    Column("account", String(16), nullable=False),
    Column("created", Double, nullable=False),
    Column("seen", Double, nullable=False),
    Index("session_by_account", "account"),
    Index("session_by_seen", "seen"),
)

# Somebody is at the OpenID provider and will come back with this state, once.
oidc_login = Table(
    "oidc_login",
    METADATA,
    Column("state", String(64), primary_key=True),  # SHA-256
    Column("browser", String(64), nullable=False),  # SHA-256 of what the browser keeps in a cookie
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),  # PKCE
    Column("created", Double, nullable=False),
    Index("oidc_login_by_created", "created"),
)

# What one person has asked for and another one must approve.
approval = Table(
    "approval",
    METADATA,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("id", String(16), nullable=False, unique=True),
    Column("action", String(40), nullable=False),
    Column("scope", String(40), nullable=False),  # the right that it takes
    Column("tenant", String(128), nullable=False),
    Column("request", LargeBinary, nullable=False),  # JSON
    Column("sentence", Text, nullable=False),
    Column("asked_by", String(40), nullable=False),
    Column("asked_hand", Text, nullable=False),  # who could act as who asked, with blanks between them
    Column("asked_at", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("state", String(10), nullable=False),  # waiting | approved | rejected | done | failed
    Column("decided_by", String(40), nullable=False),
    Column("decided_at", Double, nullable=False),
    Column("result", LargeBinary, nullable=False),  # JSON of what was answered; empty until then
    Column("problem", Text, nullable=False),
    Index("approval_by_tenant", "tenant", "seq"),
    Index("approval_by_state", "state"),
)

# What happened, for the tenant it concerns.
event = Table(
    "event",
    METADATA,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),  # follows from the message that told of it
    Column("tenant", String(128), nullable=False),
    Column("eid", String(32), nullable=False),
    Column("type", String(40), nullable=False),
    Column("body", LargeBinary, nullable=False),  # JSON of the contract's event
    Column("received", Double, nullable=False),
    Index("event_by_tenant", "tenant", "seq"),
    Index("event_by_eid", "tenant", "eid", "seq"),
    Index("event_by_received", "received"),
    # Tenants go on behind the last number that they have seen: it is never given out again.
    sqlite_autoincrement=True,
)

# Where a tenant wants them POSTed.
webhook = Table(
    "webhook",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("url", Text, nullable=False),
    Column("types", Text, nullable=False),  # separated by blanks; empty: all
    Column("secret", LargeBinary, nullable=False),  # sealed
    Column("former", LargeBinary, nullable=False),  # sealed, one behind the other; empty when there is none
    Column("former_until", Double, nullable=False),  # deliveries are signed with the former one too, until then
    Column("state", String(10), nullable=False),  # active | paused
    Column("reason", Text, nullable=False),
    Column("created", Double, nullable=False),
    Index("webhook_by_tenant", "tenant"),
)

# One event for one webhook.
delivery = Table(
    "delivery",
    METADATA,
    Column("number", Sequence, primary_key=True, autoincrement=True),
    Column("webhook", String(16), nullable=False),
    Column("event", BigInteger, nullable=False),
    Column("eid", String(32), nullable=False),
    Column("state", String(10), nullable=False),  # waiting | delivered | given-up
    Column("attempts", Integer, nullable=False),
    Column("next_try", Double, nullable=False),
    Column("http_status", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("changed", Double, nullable=False),
    Index("delivery_once", "webhook", "event", unique=True),
    Index("delivery_due", "webhook", "state", "next_try"),
    Index("delivery_in_order", "webhook", "eid", "state", "event"),
)

# A file of subscriptions, without its content.
upload = Table(
    "upload",
    METADATA,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("id", String(16), nullable=False, unique=True),
    Column("tenant", String(128), nullable=False),
    Column("profile_type", String(100), nullable=False),
    Column("dry_run", Integer, nullable=False),
    Column("state", String(12), nullable=False),  # running | done | failed | interrupted
    Column("progress", Double, nullable=False),  # 0 to 1, of the file
    Column("rows", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("known", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    Column("import_id", String(64), nullable=False),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Index("upload_by_tenant", "tenant", "seq"),
)

# What would become of a row of it; no secret.
upload_row = Table(
    "upload_row",
    METADATA,
    Column("number", Sequence, primary_key=True, autoincrement=True),
    Column("upload", String(16), nullable=False),
    Column("line", Integer, nullable=False),
    Column("iccid", String(20), nullable=False),
    Column("outcome", String(10), nullable=False),  # new | known | refused
    Column("column", String(100), nullable=False),
    Column("rule", Text, nullable=False),
    Index("upload_row_by_upload", "upload", "number"),
)
