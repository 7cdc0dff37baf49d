"""API keys of the REST API: what the operator's tools ask of the role, and what the role may ask of others."""

from __future__ import annotations

from enum import StrEnum

from ferryman.contracts import (
    admin,
    batches,
    es2_calls,
    holds,
    imports,
    operations,
    orders,
    oversight,
    queue,
    workflow,
)
from ferryman.contracts.message import Body, Codec
from ferryman.contracts.status import ExecutionStatus


class KeyRole(StrEnum):
    """What whoever holds a key is; the table of rights says what follows."""

    ADMIN = "admin"
    KEY_CUSTODIAN = "key-custodian"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    DEVICE_MAKER = "device-maker"
    M2M_SP = "m2m-sp"


class AddKey(Body, frozen=True, kw_only=True, tag=True):
    """Make a key for `tenant` (Mno-id; empty for the platform's own staff); `days` until it expires.

    `scopes` takes away from what the role may; empty takes nothing away.
    """

    name: str
    role: KeyRole
    tenant: str = ""
    scopes: tuple[str, ...] = ()
    days: float = 90.0


class ListKeys(Body, frozen=True, kw_only=True, tag=True):
    """Every key, without its secret."""


class RevokeKey(Body, frozen=True, kw_only=True, tag=True):
    """A key that is good for nothing from now on."""

    key_id: str


class KeyView(Body, frozen=True, kw_only=True, tag=True):
    """A key without its secret. Times in seconds since 1970; `revoked` is 0 while it is not."""

    key_id: str
    name: str
    role: KeyRole
    tenant: str
    scopes: tuple[str, ...]
    created: float
    expires: float
    revoked: float = 0.0
    last_used: float = 0.0


class KeyPage(Body, frozen=True, kw_only=True, tag=True):
    """Keys, the oldest first."""

    keys: tuple[KeyView, ...]


class KeyAdded(Body, frozen=True, kw_only=True, tag=True):
    """A new key with the text that is shown this once and kept nowhere."""

    key: KeyView
    token: str


class KeyRefused(Body, frozen=True, kw_only=True, tag=True):
    """Not done; `message` says what to do about it."""

    status: ExecutionStatus


class AddAccount(Body, frozen=True, kw_only=True, tag=True):
    """Make an account for somebody of `tenant` (Mno-id; empty for the platform's own staff)."""

    name: str
    role: KeyRole
    tenant: str = ""


class ListAccounts(Body, frozen=True, kw_only=True, tag=True):
    """Accounts by name, a page behind the name `after`."""

    after: str = ""
    limit: int = 1000


class ChangeAccount(Body, frozen=True, kw_only=True, tag=True):
    """`action` is disable, enable, or recover: a new one-time password for who lost password or codes."""

    user_id: str
    action: str


class AccountView(Body, frozen=True, kw_only=True, tag=True):
    """An account. Times in seconds since 1970; 0 where it never was. `codes`: one-time codes are asked for."""

    user_id: str
    name: str
    role: KeyRole
    tenant: str
    created: float
    last_login: float = 0.0
    locked_until: float = 0.0
    disabled: float = 0.0
    codes: bool = False
    must_change: bool = False
    from_provider: bool = False


class AccountPage(Body, frozen=True, kw_only=True, tag=True):
    """Accounts."""

    accounts: tuple[AccountView, ...]


class AccountAdded(Body, frozen=True, kw_only=True, tag=True):
    """An account with a one-time password that is shown this once; it must be changed at the first login."""

    account: AccountView
    password: str


REQUEST_CODEC: Codec[Body] = Codec(AddKey, ListKeys, RevokeKey, AddAccount, ListAccounts, ChangeAccount)
ANSWER_CODEC: Codec[Body] = Codec(KeyAdded, KeyPage, KeyView, KeyRefused, AccountAdded, AccountPage, AccountView)

# A REST API that was taken over asks no more than this. A card that it registers is one that its maker has signed,
# under a CI that was trusted at the machine.
ASKED_OF_SM_SR: tuple[type[Body], ...] = (
    admin.ListEUICCs,
    admin.FindEUICCs,
    admin.ShowEUICC,
    admin.ShowHistory,
    admin.DryRun,
    admin.ListTypes,
    operations.StartOperation,
    operations.ShowOperation,
    operations.ListOperations,
    operations.ShowJournal,
    admin.DescribeEUICC,
    admin.SetTags,
    admin.SetType,
    admin.SetDifference,
    admin.RegisterEIS,
    *queue.ASKED,
    *workflow.ASKED,
    *oversight.ASKED,
)
ASKED_OF_SM_DP: tuple[type[Body], ...] = (
    orders.CreateOrder,
    orders.ShowOrder,
    orders.ListOrders,
    orders.CancelOrder,
    orders.RetryOrder,
    orders.IssueDeleteToken,
    orders.ShowStock,
    orders.SetLowWater,
    admin.ImportTemplate,
    *oversight.ASKED,
    imports.DeleteStock,
    imports.OpenRegistration,
    imports.RegisterChunk,
    imports.CloseRegistration,
    imports.ListImports,
    imports.ListSubscriptions,
    *batches.REQUESTS,
    *holds.REQUESTS,
    *es2_calls.REQUESTS,
)
