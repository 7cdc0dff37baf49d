"""Subjects, streams, consumers and rights of an installation on NATS, and the broker's configuration from them.

Each way between two roles (`contracts.routes.MESSAGES`) is a stream of its own: the broker's memory of identifiers
is kept per stream, so no role can have another role's message taken for a repeat; and a role that floods its
stream stops nobody else. A way has LANES subjects by the hash of the EID, each with one durable consumer that
has one message out at a time: that, and not the client, keeps the order of an EID over retries, restarts and
crashes.

Nobody but the provisioner may make or change streams: whoever may make one could have it copy any other.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ferryman.contracts.routes import CALLERS, MESSAGES, ROLES
from ferryman.platform.nats_credentials import PROVISIONER, Credential

LANES: Final = 16  # consumers on each way; one message of each is under way at a time
ACK_WAIT: Final = 6.0  # seconds until a message whose receiver went silent is given out again
DUPLICATES: Final = 120.0  # seconds the broker remembers identifiers; later repeats are the inbox's
STREAM_BYTES: Final = 512 * 1024 * 1024  # octets on one way; when it is full its sender's outbox waits
PARKED_BYTES: Final = 64 * 1024 * 1024  # octets of parked messages of one role; when full, poison blocks its lane
STORE_BYTES: Final = 8 * 1024**3  # octets of the broker's store: all of the above, with room
MAX_PAYLOAD: Final = 8 * 1024 * 1024  # octets of one message; more than any profile, what NATS advises at most
CALL_LIFE: Final = 600  # seconds during which a server may answer: the longest call of an operator
ROOT: Final = "ferryman"


def lane_of(eid: str) -> int:
    """The lane of an EID: the same for every process and version."""
    return zlib.crc32(eid.encode()) % LANES


def message_subject(sender: str, dest: str, lane: int | str) -> str:
    """Where a message is published; `lane` may be a wildcard."""
    return f"{ROOT}.message.{sender}.{dest}.{lane}"


def delivery_subject(dest: str, sender: str, lane: int | str) -> str:
    """Where the broker hands it out."""
    return f"{ROOT}.delivery.{dest}.{sender}.{lane}"


def call_subject(dest: str, caller: str) -> str:
    """Where a question is asked."""
    return f"{ROOT}.call.{dest}.{caller}"


def parked_subject(dest: str) -> str:
    """Where a receiver keeps what it could not take."""
    return f"{ROOT}.parked.{dest}"


def stream_name(sender: str, dest: str) -> str:
    """The stream of one way."""
    return f"{ROOT}_{sender}_to_{dest}"


def parked_stream(dest: str) -> str:
    """The stream of a receiver's parked messages."""
    return f"{ROOT}_parked_{dest}"


def consumer_name(lane: int) -> str:
    """The durable consumer of one lane."""
    return f"lane-{lane}"


def inbox_prefix(role: str) -> str:
    """Where answers to a role arrive; nobody else may listen there."""
    return f"_INBOX_{role}"


def may_publish(role: str) -> list[str]:
    """Subjects a role may publish to."""
    found = [message_subject(sender, dest, "*") for sender, dest in MESSAGES if sender == role]
    found += [call_subject(server, role) for server, callers in CALLERS.items() if role in callers]
    received = [(sender, dest) for sender, dest in MESSAGES if dest == role]
    found += [f"$JS.ACK.{stream_name(*way)}.>" for way in received]
    if received:
        parked = parked_stream(role)
        found.append(parked_subject(role))
        found += [f"$JS.API.STREAM.{function}.{parked}" for function in ("INFO", "MSG.GET", "MSG.DELETE")]
    return found


def may_subscribe(role: str) -> list[str]:
    """Subjects a role may listen on."""
    found = [f"{inbox_prefix(role)}.>"]
    if any(dest == role for _, dest in MESSAGES):
        found.append(delivery_subject(role, "*", "*"))
    if role in CALLERS:
        found.append(call_subject(role, "*"))
    return found


def server_configuration(
    credentials: Mapping[str, Credential],
    *,
    listen: str,
    store: Path,
    certificate: Path | None = None,
    key: Path | None = None,
) -> str:
    """The text of nats-server.conf (nats-server 2.10 or newer); it holds no secret."""
    users = "\n".join(_user(credentials[name]) for name in credentials)
    tls = ""
    if certificate is not None and key is not None:
        tls = f"tls {{\n  cert_file: {_text(certificate)}\n  key_file: {_text(key)}\n}}\n"
    return f"""# Made by `ferryman nats-config`; made anew it keeps the keys. Load with: nats-server -c FILE
listen: {_text(listen)}
max_payload: {MAX_PAYLOAD}
{tls}jetstream {{
  store_dir: {_text(store)}
  max_file_store: {STORE_BYTES}
  # A message is acknowledged when it is on the disk: its sender forgets it then.
  sync_interval: always
}}
accounts {{
  FERRYMAN {{
    jetstream: enabled
    users: [
{users}
    ]
  }}
}}
"""


def _user(credential: Credential) -> str:
    name = credential.role
    if name == PROVISIONER:
        publish = ["$JS.API.>"]
        subscribe = [f"{inbox_prefix(name)}.>"]
    else:
        publish, subscribe = may_publish(name), may_subscribe(name)
    answers = f', allow_responses: {{ max: 1, expires: "{CALL_LIFE}s" }}' if name in CALLERS else ""
    rights = f"publish: {{ allow: {_list(publish)} }}, subscribe: {{ allow: {_list(subscribe)} }}{answers}"
    return f"      # {name}\n      {{ nkey: {credential.user}, permissions: {{ {rights} }} }}"


def _list(subjects: list[str]) -> str:
    return "[" + ", ".join(_text(subject) for subject in subjects) + "]"


def _text(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def ways() -> list[tuple[str, str]]:
    """Every way that has a stream."""
    return list(MESSAGES)


def receivers() -> list[str]:
    """Every role that may have to park something."""
    return [role for role in ROLES if any(dest == role for _, dest in MESSAGES)]
