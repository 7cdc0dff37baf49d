"""What every procedure of the SM-SR may do, as tables; the test suite holds the step functions to them."""

from __future__ import annotations

from ferryman.platform.transitions import Table
from ferryman.sm_sr.transitions.changes import CHANGE, NOTIFICATION
from ferryman.sm_sr.transitions.channel import HTTPS, PLAN, SMS
from ferryman.sm_sr.transitions.functions import (
    AUDIT,
    COMPLETED,
    CREATE_ISDP,
    ONE_COMMAND,
    PREPARE_CHANGE,
    SEND_DATA,
    UPDATE,
)
from ferryman.sm_sr.transitions.keys import HANDOVER, OWED, ROTATE, SETTLE, SMSR_CHANGE

# By the module in `procedures/` whose step function it is.
TABLES: dict[str, Table] = {
    "audit": AUDIT,
    "change": CHANGE,
    "completed": COMPLETED,
    "create_isdp": CREATE_ISDP,
    "handover": HANDOVER,
    "notification": NOTIFICATION,
    "one_command": ONE_COMMAND,
    "owed": OWED,
    "prepare_change": PREPARE_CHANGE,
    "rotate_keys": ROTATE,
    "run_script": SEND_DATA,
    "send_data": SEND_DATA,
    "settle": SETTLE,
    "smsr_change": SMSR_CHANGE,
    "update": UPDATE,
}

# Of one step function, `channel.step`: each tells of a part of its state.
HALVES: dict[str, Table] = {"channel_sms": SMS, "channel_https": HTTPS, "channel_plan": PLAN}
