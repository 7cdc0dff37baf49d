"""Users and API keys, for the admins of a tenant or of the platform."""

from __future__ import annotations

from ferryman.contracts import codes
from ferryman.contracts.rest import AccountAdded, AccountView, AddAccount, AddKey, KeyAdded, KeyView
from ferryman.errors import Refused
from ferryman.platform.mailbox import Tx
from ferryman.rest_api import bodies, bodies_people, rights
from ferryman.rest_api.endpoint import ACCEPTED, CREATED, Absent, Endpoint, Request, or_absent, page
from ferryman.rest_api.kept import kept_secret
from ferryman.rest_api.principal import ACCOUNT, KEY, Principal
from ferryman.rest_api.routes.approvals import SET_ROLE

# -- users --------------------------------------------------------------------------------------------------------


async def list_users(r: Request) -> bodies_people.UserList:
    tenant = r.tenant or None  # the platform's staff sees all
    found = await r.services.accounts.page(tenant, r.query.after, r.query.limit + 1)
    items = found[: r.query.limit]
    return bodies_people.UserList(items=items, next=items[-1].name if len(found) > r.query.limit else "")


@kept_secret
async def add_user(r: Request) -> AccountAdded:
    def noted(tx: Tx, made: AccountAdded) -> None:
        r.services.kept.enter(tx, r, made, secret=True)

    asked = AddAccount(name=r.body.name, role=r.body.role, tenant=_tenant(r, r.body.tenant))
    _no_more_than_own(r, Principal(ACCOUNT, "", asked.name, asked.role, asked.tenant))
    return await r.services.accounts.add(asked, r.who.actor, r.who.hands, noted)


async def show_user(r: Request) -> AccountView:
    name = r.path["user_id"]
    found = await or_absent(r.services.accounts.show(name), "user", name)
    if r.tenant and found.tenant != r.tenant:
        raise Absent("user", name)
    return found


async def change_user(r: Request) -> bodies_people.UserChanged:
    user = await show_user(r)
    accounts, actor = r.services.accounts, r.who.actor
    if f"account/{user.user_id}" == actor:
        raise Refused(*codes.REQUESTER_NOT_ALLOWED, "another admin does this with your account")
    if r.body.action == "recover":
        _no_more_than_own(r, Principal(ACCOUNT, user.user_id, user.name, user.role, user.tenant))
        added = await accounts.recover(user.user_id, actor, r.who.hands)
        return bodies_people.UserChanged(account=added.account, password=added.password)
    changed = await accounts.disable(user.user_id, actor, on=r.body.action == "disable")
    return bodies_people.UserChanged(account=changed)


async def ask_for_role(r: Request) -> bodies_people.Approval:
    user = await show_user(r)
    sentence = f"{user.name} is to be {r.body.role.value}, was {user.role.value}"
    request = {
        "user_id": user.user_id, "role": r.body.role.value, "was": user.role.value, "tenant": user.tenant
    }  # fmt: skip
    return await r.services.approvals.ask(r.who, SET_ROLE, request, sentence, r.call_id)


# -- API keys -----------------------------------------------------------------------------------------------------


async def list_keys(r: Request) -> bodies_people.KeyList:
    found = tuple(one for one in await r.services.keys.all() if not r.tenant or one.tenant == r.tenant)
    items, more = page(found, lambda one: one.key_id, r.query.after, r.query.limit)
    return bodies_people.KeyList(items=items, next=more)


@kept_secret
async def add_key(r: Request) -> KeyAdded:
    def noted(tx: Tx, made: KeyAdded) -> None:
        r.services.kept.enter(tx, r, made, secret=True)

    given = r.body
    asked = AddKey(
        name=given.name,
        role=given.role,
        tenant=_tenant(r, given.tenant),
        scopes=given.scopes,
        days=given.days,
    )
    _no_more_than_own(r, Principal(KEY, "", given.name, given.role, asked.tenant, given.scopes))
    return await r.services.keys.add(asked, r.who.actor, r.who.hands, noted)


async def show_key(r: Request) -> KeyView:
    name = r.path["key_id"]
    for one in await r.services.keys.all():
        if one.key_id == name and (not r.tenant or one.tenant == r.tenant):
            return one
    raise Absent("API key", name)


async def revoke_key(r: Request) -> KeyView:
    found = await show_key(r)
    return await r.services.keys.revoke(found.key_id, r.who.actor)


def _no_more_than_own(r: Request, made: Principal) -> None:
    """Raises Refused when somebody would get the secret of one who may more: what scopes take away stays away."""
    more = [scope for scope in sorted(rights.SCOPES) if rights.may(made, scope) and not _may_give(r.who, scope)]
    if more:
        raise Refused(*codes.REQUESTER_NOT_ALLOWED, f"you cannot give {', '.join(more)}: you do not have it")


def _may_give(who: Principal, scope: str) -> bool:
    """A right that one has; the platform's admins also those of tenants, which they have to begin with."""
    return scope in rights.RIGHTS[who.role] and (not who.scopes or scope in who.scopes)


def _tenant(r: Request, asked: str) -> str:
    if r.tenant and asked not in ("", r.tenant):
        raise Refused(*codes.REQUESTER_NOT_ALLOWED, "for your own tenant only")
    return r.tenant or str(asked)


_E = Endpoint
ENDPOINTS = (
    _E("GET", "/users", rights.USER_READ, "Users, by name", list_users, bodies_people.UserList,
       query=bodies.PageQuery),
    _E("POST", "/users", rights.USER_WRITE, "Make an account; its one-time password is shown this once", add_user,
       AccountAdded, CREATED, body=bodies_people.NewUser, once=True, example={"name": "ada", "role": "operator"}),
    _E("GET", "/users/{user_id}", rights.USER_READ, "One user", show_user, AccountView),
    _E("POST", "/users/{user_id}/changes", rights.USER_WRITE, "Disable, enable or recover an account", change_user,
       bodies_people.UserChanged, body=bodies_people.UserChange, versioned=show_user,
       example={"action": "disable"}),
    _E("POST", "/users/{user_id}/role", rights.USER_WRITE, "Ask for another role; a second person approves",
       ask_for_role, bodies_people.Approval, ACCEPTED, body=bodies_people.NewRole, once=True, versioned=show_user,
       example={"role": "auditor"}),
    _E("GET", "/api-keys", rights.KEY_READ, "API keys, without their secrets", list_keys, bodies_people.KeyList,
       query=bodies.PageQuery),
    _E("POST", "/api-keys", rights.KEY_WRITE, "Make an API key; it is shown this once", add_key, KeyAdded, CREATED,
       body=bodies_people.NewKey, once=True,
       example={"name": "billing", "role": "auditor", "scopes": ["order:read"], "days": 90}),
    _E("GET", "/api-keys/{key_id}", rights.KEY_READ, "One API key", show_key, KeyView),
    _E("DELETE", "/api-keys/{key_id}", rights.KEY_WRITE, "Revoke an API key, at once", revoke_key, KeyView,
       versioned=show_key),
)  # fmt: skip
