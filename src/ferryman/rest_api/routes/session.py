"""Logging in and out, one's own password and codes, logging in by way of an OpenID provider."""

from __future__ import annotations

from ferryman.contracts import codes
from ferryman.errors import Refused
from ferryman.rest_api import bodies_people, rights, sessions
from ferryman.rest_api.answers import No
from ferryman.rest_api.endpoint import CREATED, FOUND, NO_CONTENT, Endpoint, Reply, Request
from ferryman.rest_api.oidc import BROWSER, LOGIN_SECONDS, OIDC
from ferryman.rest_api.principal import ACCOUNT, Principal


async def log_in(r: Request) -> Reply:
    secret = await r.services.accounts.login(r.body.name, r.body.password, r.body.code)
    who = await r.services.sessions.holder(secret)
    if who is None:
        raise No(401, "the account was disabled just now")
    return Reply(_view(who, secret), cookies=(sessions.cookie_of(secret),))


async def show_session(r: Request) -> bodies_people.SessionView:
    return _view(r.who, r.cookies.get(sessions.COOKIE, ""))


async def log_out(r: Request) -> Reply:
    await r.services.sessions.end(r.cookies.get(sessions.COOKIE, ""))
    return Reply(None, cookies=(sessions.cookie_of(""),))


async def change_password(r: Request) -> None:
    secret = r.cookies.get(sessions.COOKIE, "")
    await r.services.accounts.set_password(_account(r), r.body.old, r.body.new, secret)


async def new_totp(r: Request) -> bodies_people.TOTPSecret:
    secret, uri = await r.services.accounts.new_totp(_account(r), r.body.password)
    return bodies_people.TOTPSecret(secret=secret, uri=uri)


async def confirm_totp(r: Request) -> None:
    await r.services.accounts.confirm_totp(_account(r), r.body.code)


async def remove_totp(r: Request) -> None:
    await r.services.accounts.remove_totp(_account(r), r.body.password, r.body.code)


async def begin_oidc(r: Request) -> Reply:
    url, browser = await _oidc(r).begin()
    cookie = sessions.passing_cookie(BROWSER, browser, int(LOGIN_SECONDS))
    return Reply(None, headers={"Location": url}, cookies=(cookie,))


async def end_oidc(r: Request) -> Reply:
    oidc = _oidc(r)
    if r.query.error or not r.query.code:
        raise No(403, "the OpenID provider did not let you in")
    if r.query.iss and r.query.iss != oidc.settings.issuer:  # RFC 9207
        raise No(403, "this answer is of another OpenID provider")
    secret = await oidc.end(r.query.code, r.query.state, r.cookies.get(BROWSER, ""))
    cookies = (sessions.cookie_of(secret), sessions.passing_cookie(BROWSER, "", 0))
    return Reply(None, headers={"Location": oidc.settings.after_login}, cookies=cookies)


def _oidc(r: Request) -> OIDC:
    if r.services.oidc is None:
        raise No(404, "there is no OpenID provider")
    return r.services.oidc


def _account(r: Request) -> str:
    if r.who.kind != ACCOUNT:
        raise Refused(*codes.REQUESTER_NOT_ALLOWED, "an API key has neither password nor codes")
    return r.who.id


def _view(who: Principal, secret: str) -> bodies_people.SessionView:
    may = sorted(scope for scope in rights.SCOPES if rights.may(who, scope))
    return bodies_people.SessionView(
        kind=who.kind,
        id=who.id,
        name=who.name,
        role=who.role,
        tenant=who.tenant,
        rights=tuple(may),
        must_change=who.must_change,
        csrf=sessions.csrf_of(secret) if who.kind == ACCOUNT else "",
    )


_E = Endpoint
ENDPOINTS = (
    _E("POST", "/session", rights.OPEN, "Log in with name and password", log_in, bodies_people.SessionView,
       CREATED,
       body=bodies_people.Login, example={"name": "ada", "password": "correct horse battery", "code": ""}),
    _E("GET", "/session", rights.SELF, "Who you are and what you may", show_session, bodies_people.SessionView),
    _E("DELETE", "/session", rights.SELF, "Log out", log_out, None, NO_CONTENT),
    _E("POST", "/session/password", rights.SELF, "Change your password; your other logins end", change_password,
       None, NO_CONTENT, body=bodies_people.NewPassword,
       example={"old": "correct horse battery", "new": "another long sentence"}),
    _E("POST", "/session/totp", rights.SELF, "A secret for one-time codes; they hold once one was right", new_totp,
       bodies_people.TOTPSecret, CREATED, body=bodies_people.OwnPassword,
       example={"password": "correct horse battery"}),
    _E("POST", "/session/totp/confirm", rights.SELF, "Show the first code: from now on codes are asked for",
       confirm_totp, None, NO_CONTENT, body=bodies_people.OwnCode, example={"code": "123456"}),
    _E("POST", "/session/totp/remove", rights.SELF, "No codes any more", remove_totp, None, NO_CONTENT,
       body=bodies_people.OwnPassword, example={"password": "correct horse battery", "code": "123456"}),
    _E("GET", "/session/oidc", rights.OPEN, "Log in by way of the OpenID provider", begin_oidc, None, FOUND),
    _E("GET", "/session/oidc/callback", rights.OPEN, "Where the OpenID provider sends the browser back to",
       end_oidc, None, FOUND, query=bodies_people.Callback),
)  # fmt: skip
