"""Login by way of an OpenID provider: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636).

The state is good once, for a short while and in the browser that began; the ID token must be signed with an
asymmetric algorithm by a key of the provider, be for us, be new, and carry the nonce of this login.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import delete, insert, select, update

from ferryman.contracts.rest import KeyRole
from ferryman.errors import InputError, Unavailable
from ferryman.platform.clock import Clock, Entropy
from ferryman.platform.mailbox import Mailbox, Tx
from ferryman.rest_api.accounts import AccountBook, enter
from ferryman.rest_api.answers import No
from ferryman.rest_api.keys import FORMULA, check_tenant
from ferryman.rest_api.schema import account, oidc_login
from ferryman.rest_api.sessions import SessionBook
from ferryman.rest_api.settings import OIDCSettings

BROWSER = "__Host-ferryman-login"  # cookie that binds a login to the browser in which it began
LOGIN_SECONDS = 600.0  # s that somebody may take at the provider
PROVIDER_SECONDS = 10.0  # s for an answer of the provider
KEEP_SECONDS = 3600.0  # s that its configuration and keys are believed
REFETCH_SECONDS = 30.0  # s between two looks for a key that is not among them
LEEWAY = 60  # s between our clock and the provider's
MAX_ANSWER = 256 * 1024  # octets
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SECRET_OCTETS = 32

log = structlog.get_logger("ferryman.rest_api")


class Provider:
    """The provider as its configuration document says, fetched when it is needed."""

    def __init__(self, settings: OIDCSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._document: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._at = 0.0
        self._turn = asyncio.Lock()

    async def endpoint(self, name: str) -> str:
        """A URL of the provider; raises Unavailable."""
        await self._look()
        return self._url(name)

    async def keys(self, *, newer: bool = False) -> KeySet:
        """Its signing keys; `newer` looks again, though not all the time."""
        await self._look(newer=newer)
        if self._keys is None:
            raise Unavailable("the OpenID provider", retry_after=REFETCH_SECONDS)
        return self._keys

    async def _look(self, *, newer: bool = False) -> None:
        async with self._turn:
            age = self._clock.now() - self._at
            if self._keys is not None and age < (REFETCH_SECONDS if newer else KEEP_SECONDS):
                return
            issuer = self._settings.issuer
            document = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if document.get("issuer") != issuer:
                raise Unavailable("the OpenID provider (it says that it is another one)", retry_after=KEEP_SECONDS)
            self._document = document
            keys = await self._get(self._url("jwks_uri"))
            try:
                self._keys = KeySet.import_key_set(keys)  # type: ignore[arg-type]  # checked by it
            except (JoseError, KeyError, TypeError, ValueError):
                raise Unavailable("the OpenID provider (its keys cannot be read)") from None
            self._at = self._clock.now()

    def _url(self, name: str) -> str:
        """Raises Unavailable for one that is not there, or not HTTPS where the issuer is."""
        found = self._document.get(name)
        if not isinstance(found, str) or urlsplit(found).scheme != urlsplit(self._settings.issuer).scheme:
            raise Unavailable(f"the OpenID provider (no {name})", retry_after=KEEP_SECONDS)
        return found

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with httpx2.AsyncClient(timeout=PROVIDER_SECONDS, trust_env=False) as client:
                answer = await client.get(url)
        except httpx2.HTTPError:
            raise Unavailable("the OpenID provider", retry_after=PROVIDER_SECONDS) from None
        if answer.status_code != 200 or len(answer.content) > MAX_ANSWER:
            raise Unavailable("the OpenID provider", retry_after=PROVIDER_SECONDS)
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            raise Unavailable("the OpenID provider (no JSON)") from None


class OIDC:
    """Logins by way of one provider."""

    def __init__(
        self,
        *,
        settings: OIDCSettings,
        mailbox: Mailbox,
        clock: Clock,
        entropy: Entropy,
        accounts: AccountBook,
        sessions: SessionBook,
    ) -> None:
        self.settings = settings
        self._mailbox = mailbox
        self._clock = clock
        self._entropy = entropy
        self._accounts = accounts
        self._sessions = sessions
        self._provider = Provider(settings, clock)

    async def begin(self) -> tuple[str, str]:
        """Where to send the browser, and what it is to keep."""
        state, browser, nonce, verifier = (self._entropy(SECRET_OCTETS).hex() for _ in range(4))
        authorize = await self._provider.endpoint("authorization_endpoint")
        url, _ = self._client().create_authorization_url(
            authorize, state=state, nonce=nonce, code_verifier=verifier
        )

        def unit(tx: Tx) -> None:
            tx.connection.execute(delete(oidc_login).where(oidc_login.c.created < tx.now - LOGIN_SECONDS))
            tx.connection.execute(
                insert(oidc_login).values(
                    state=_digest(state), browser=_digest(browser), nonce=nonce, verifier=verifier, created=tx.now
                )
            )

        await self._mailbox.transact(unit)
        return url, browser

    async def end(self, code: str, state: str, browser: str) -> str:
        """The secret of a new login; raises No (403) for everything that is not as it should be."""
        nonce, verifier = await self._take(state, browser)
        token = await self._token(code, verifier)
        claims = await self._claims(str(token.get("id_token", "")), nonce)
        return await self._enter(claims)

    async def _take(self, state: str, browser: str) -> tuple[str, str]:
        """Nonce and verifier of a login that was begun in this browser; once."""

        def unit(tx: Tx) -> tuple[str, str] | None:
            found = tx.connection.execute(select(oidc_login).where(oidc_login.c.state == _digest(state))).first()
            if found is None:
                return None
            tx.connection.execute(delete(oidc_login).where(oidc_login.c.state == found.state))
            same = hmac.compare_digest(found.browser, _digest(browser))
            return (found.nonce, found.verifier) if same and found.created >= tx.now - LOGIN_SECONDS else None

        found = await self._mailbox.transact(unit)
        if found is None:
            raise No(403, "no such login was begun in this browser, or it took too long: begin again")
        return found

    async def _token(self, code: str, verifier: str) -> dict[str, Any]:
        endpoint = await self._provider.endpoint("token_endpoint")
        try:
            async with self._client() as client:
                token: dict[str, Any] = await client.fetch_token(
                    endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
                )
        except httpx2.HTTPError:
            raise Unavailable("the OpenID provider", retry_after=PROVIDER_SECONDS) from None
        except (AuthlibBaseError, ValueError):
            raise No(403, "the OpenID provider did not take the code") from None
        return token

    async def _claims(self, token: str, nonce: str) -> CodeIDToken:
        """The claims of an ID token that is good; raises No (403)."""
        try:
            try:
                read = jwt.decode(token, await self._provider.keys(), algorithms=ALGORITHMS)
            except (JoseError, ValueError):  # the provider may have a new key
                read = jwt.decode(token, await self._provider.keys(newer=True), algorithms=ALGORITHMS)
            settings = self.settings
            expected = {
                "iss": {"essential": True, "value": settings.issuer},
                "aud": {"essential": True, "value": settings.client_id},
                "nonce": {"essential": True, "value": nonce},
            }
            claims = CodeIDToken(
                read.claims, read.header, expected, {"nonce": nonce, "client_id": settings.client_id}
            )
            claims.validate(now=int(self._clock.now()), leeway=LEEWAY)
        except (JoseError, AuthlibBaseError, ValueError, TypeError) as problem:
            log.warning("ID token refused", problem=type(problem).__name__)
            raise No(403, "the ID token of the OpenID provider is no good") from None
        return claims

    async def _enter(self, claims: CodeIDToken) -> str:
        """The account of these claims, made or brought up to date, and its login."""
        role, tenant = self._rights_of(claims)
        subject = f"{self.settings.issuer}#{claims['sub']}"
        if len(subject) > 300:
            raise No(403, "the subject of the ID token is too long")
        name = f"{_shown(str(claims.get('email') or claims['sub']))[:55]}@{_digest(subject)[:16]}"
        values = self._accounts.values(name, role, tenant, "") | {"subject": subject}

        def unit(tx: Tx) -> str:
            row = tx.connection.execute(select(account).where(account.c.subject == subject)).first()
            if row is None:
                enter(tx, values, "openid")
            elif row.disabled:
                return ""
            elif (row.role, row.tenant) != (role.value, tenant):
                detail = f"{role.value} {tenant}".strip()
                tx.audit(actor="openid", action="ChangeRole", object=row.id, outcome="done", detail=detail)
            account_id = values["id"] if row is None else row.id
            changed = {"role": role.value, "tenant": tenant, "last_login": tx.now}
            tx.connection.execute(update(account).where(account.c.id == account_id).values(changed))
            tx.audit(actor=f"account/{account_id}", action="Login", object=account_id, outcome="done")
            return self._sessions.begin(tx, account_id)

        secret = await self._mailbox.transact(unit)
        if not secret:
            raise No(403, "this account is disabled here")
        return secret

    def _rights_of(self, claims: CodeIDToken) -> tuple[KeyRole, str]:
        """Role and tenant by the settings' mapping; raises No (403) for somebody who has none."""
        settings = self.settings
        given = claims.get(settings.role_claim)
        names = given if isinstance(given, list) else [given]
        roles = [settings.roles[name] for name in names if isinstance(name, str) and name in settings.roles]
        if not roles:
            raise No(403, "the OpenID provider gives you no role here")
        tenant = claims.get(settings.tenant_claim, "")
        if tenant == settings.staff:
            return KeyRole(roles[0]), ""
        try:
            check_tenant(str(tenant))
        except InputError:
            tenant = ""
        if not tenant:
            raise No(403, "the OpenID provider gives you no tenant here")
        return KeyRole(roles[0]), str(tenant)

    def _client(self) -> AsyncOAuth2Client:
        settings = self.settings
        return AsyncOAuth2Client(
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            redirect_uri=settings.redirect_uri,
            scope=settings.scope,
            code_challenge_method="S256",
            timeout=PROVIDER_SECONDS,
            trust_env=False,
        )


def _shown(name: str) -> str:
    """A name as somebody gave it to the provider, without what is not to be shown or opened in a spreadsheet."""
    return "".join(character for character in name if character.isprintable()).lstrip(FORMULA)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
