"""What an entry asks for, as the request of a function (pure)."""

from __future__ import annotations

from ferryman.codec import ids
from ferryman.contracts import codes, es4, v4
from ferryman.contracts.message import Body, Codec
from ferryman.contracts.queue import QueueItem, RunScript
from ferryman.errors import InputError, Refused

ON_PROFILES: dict[str, type[Body]] = {
    "enable": es4.ES4EnableProfile,
    "disable": es4.ES4DisableProfile,
    "delete": es4.ES4DeleteProfile,
    "set-fallback": v4.ES4SetFallBackAttribute,
}
AUDIT, RAW = "audit", "raw"
FUNCTIONS = (*ON_PROFILES, AUDIT, RAW)
REQUESTS: Codec[Body] = Codec(*ON_PROFILES.values(), es4.ES4AuditEIS, RunScript)

MIN_REASON = 8  # characters: somebody will read it when something has gone wrong
MAX_REASON = 300
MAX_SCRIPT = 32_000  # octets
MAX_VALIDITY = 400 * 86_400.0  # s
MAX_PRIORITY = 1000


def check(item: QueueItem, *, iccid_needed: bool = True) -> None:
    """Refuse an item that can never be carried out; raises InputError that names the field."""
    if item.function not in FUNCTIONS:
        raise InputError("function", f"must be one of {', '.join(FUNCTIONS)}")
    if item.function in ON_PROFILES and iccid_needed and not item.iccid:
        raise InputError("iccid", f"is needed for {item.function}")
    if item.iccid and not (item.iccid.isdecimal() and 18 <= len(item.iccid) <= 20):
        raise InputError("iccid", "must be 18 to 20 digits")
    if not 0 < item.validity <= MAX_VALIDITY:
        raise InputError("validity", f"must be more than 0 and at most {MAX_VALIDITY:.0f} seconds")
    if abs(item.priority) > MAX_PRIORITY:
        raise InputError("priority", f"must be from -{MAX_PRIORITY} to {MAX_PRIORITY}")
    if not 0 <= item.not_before < 1e11:
        raise InputError("not_before", "must be a time in seconds since 1970")
    if item.function == RAW:
        _check_raw(item)


def _check_raw(item: QueueItem) -> None:
    if not MIN_REASON <= len(item.reason.strip()) <= MAX_REASON:
        raise InputError("reason", f"is needed for a raw script, {MIN_REASON} to {MAX_REASON} characters")
    if not 0 < len(item.data) <= MAX_SCRIPT:
        raise InputError("data", f"must be 1 to {MAX_SCRIPT} octets")
    if item.sd_aid and not 5 <= len(item.sd_aid) <= 16:
        raise InputError("sd_aid", "must be 5 to 16 octets")


def request(item: QueueItem, eid: str, iccid: str, requesters_of_raw: tuple[str, ...], owner: str) -> Body:
    """The request of the function; raises Refused for a raw script of somebody who may not send one."""
    if item.function == RAW:
        if owner not in requesters_of_raw:
            raise Refused(*codes.FUNCTION_NOT_ALLOWED, "raw scripts need a right of their own", identifier=owner)
        return RunScript(eid=eid, sd_aid=item.sd_aid or ids.ISDR_AID, data=item.data, reason=item.reason.strip())
    if item.function == AUDIT:
        return es4.ES4AuditEIS(eid=eid)
    return ON_PROFILES[item.function](eid=eid, iccid=iccid)
