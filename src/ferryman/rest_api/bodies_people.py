"""Requests and answers about people, keys, logins and approvals."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from ferryman.contracts.rest import AccountView, KeyRole, KeyView
from ferryman.contracts.secrecy import Guarded
from ferryman.rest_api.bodies import Closed, NumberQuery, Seconds

Code = Annotated[str, msgspec.Meta(pattern="^([0-9]{6})?$", description="One-time code, 6 digits.")]
Tenant = Annotated[str, msgspec.Meta(max_length=128, pattern="^[0-9.]*$", description="Mno-id.")]


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """What two people must want. Times in seconds since 1970; `state` is waiting, expired, rejected, approved (and
    being carried out), done or failed; `asked_by` and `decided_by` name account or key."""

    approval_id: str
    action: str
    sentence: str
    request: Any
    asked_by: str
    asked_at: float
    expires: float
    state: str
    decided_by: str
    decided_at: float
    result: Any = None
    problem: str = ""


class ApprovalList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of approvals, the newest first; `next` is empty at the end."""

    items: tuple[Approval, ...]
    next: str = ""


class ApprovalQuery(NumberQuery, frozen=True, kw_only=True):
    """Which approvals."""

    state: Literal["", "waiting", "expired", "rejected", "approved", "done", "failed"] = ""


class NewRawScript(Closed, frozen=True, kw_only=True):
    """Command TLVs for a security domain of the card (as in ES3.SendData), and why they are needed."""

    data: Annotated[bytes, msgspec.Meta(min_length=1, max_length=32_000)]
    reason: Annotated[str, msgspec.Meta(min_length=8, max_length=300)]
    sd_aid: Annotated[bytes, msgspec.Meta(max_length=16)] = b""
    validity: Seconds = 7 * 86_400.0


class Login(Closed, frozen=True, kw_only=True):
    """`code` is the one-time code, where the account has one."""

    hidden: ClassVar[tuple[str, ...]] = ("code",)

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    code: Code = ""


class NewPassword(Closed, frozen=True, kw_only=True):
    """The password so far, and the new one: at least 12 characters."""

    hidden: ClassVar[tuple[str, ...]] = ("old", "new")

    old: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    new: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class OwnPassword(Closed, frozen=True, kw_only=True):
    """Your password once more, and a code where one is asked for."""

    hidden: ClassVar[tuple[str, ...]] = ("code",)

    password: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    code: Code = ""


class OwnCode(Closed, frozen=True, kw_only=True):
    """A code of the authenticator app."""

    hidden: ClassVar[tuple[str, ...]] = ("code",)

    code: Annotated[str, msgspec.Meta(pattern="^[0-9]{6}$")]


class Callback(Guarded, frozen=True, kw_only=True):
    """What the OpenID provider sends the browser back with; other parameters are ignored (RFC 6749 4.1.2)."""

    hidden: ClassVar[tuple[str, ...]] = ("code", "state")

    code: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    state: Annotated[str, msgspec.Meta(max_length=200)] = ""
    error: Annotated[str, msgspec.Meta(max_length=200)] = ""
    error_description: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    iss: Annotated[str, msgspec.Meta(max_length=500)] = ""
    session_state: Annotated[str, msgspec.Meta(max_length=500)] = ""
    scope: Annotated[str, msgspec.Meta(max_length=500)] = ""


class SessionView(Guarded, frozen=True, kw_only=True):
    """Who you are. `csrf` belongs into X-CSRF-Token of every request that changes something by cookie."""

    kind: str
    id: str
    name: str
    role: KeyRole
    tenant: str
    rights: tuple[str, ...]
    must_change: bool = False
    csrf: str = ""


class TOTPSecret(Guarded, frozen=True, kw_only=True):
    """For an authenticator app, shown this once: the secret (base32) and the same as URI."""

    hidden: ClassVar[tuple[str, ...]] = ("uri",)

    secret: str
    uri: str


class NewUser(Closed, frozen=True, kw_only=True):
    """An account for somebody; `tenant` only from the platform's own staff."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    role: KeyRole
    tenant: Tenant = ""


class UserChange(Closed, frozen=True, kw_only=True):
    """Disable, enable, or recover: a one-time password for who lost his own, or his codes."""

    action: Literal["disable", "enable", "recover"]


class NewRole(Closed, frozen=True, kw_only=True):
    """The role that the user is to have."""

    role: KeyRole


class UserList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of users; `next` is empty at the end."""

    items: tuple[AccountView, ...]
    next: str = ""


class UserChanged(Guarded, frozen=True, kw_only=True):
    """The user, and after recovery the one-time password, shown this once."""

    account: AccountView
    password: str = ""


class NewKey(Closed, frozen=True, kw_only=True):
    """An API key; `scopes` take away from what the role may. `tenant` only from the platform's own staff."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    role: KeyRole
    scopes: Annotated[tuple[str, ...], msgspec.Meta(max_length=40)] = ()
    days: Annotated[float, msgspec.Meta(gt=0, le=400)] = 90.0
    tenant: Tenant = ""


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of API keys, without their secrets; `next` is empty at the end."""

    items: tuple[KeyView, ...]
    next: str = ""
