"""Logging in by way of an OpenID provider: a real one as a process, and one that forges."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from ferryman.contracts.rest import KeyRole
from ferryman.rest_api.oidc import LOGIN_SECONDS, REFETCH_SECONDS
from ferryman.rest_api.settings import OIDCSettings
from rest_world import OTHER, TENANT, Answer, RestWorld, rest_world
from rig import free_port

CLIENT = "ferryman"
REDIRECT = "http://127.0.0.1:8081/api/v1/session/oidc/callback"
KEY = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256"})
STRANGE = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256"})


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def sign_in(url: str, sub: str) -> str:
    """What a person does at the provider; where the browser is sent then."""
    opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as raised:
        opener.open(url, data=urllib.parse.urlencode({"sub": sub}).encode(), timeout=10)
    with raised.value as answer:
        assert answer.code == 302
        return answer.headers["location"]


@contextlib.contextmanager
def provider_process(*users: dict[str, Any]) -> Iterator[str]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("oidc-provider-mock")), "-p", str(port), "-n", "true"]
    for user in users:
        command += ["--user-claims", json.dumps(user)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/.well-known/openid-configuration", timeout=5).close()
                break
            assert process.poll() is None
            threading.Event().wait(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@contextlib.asynccontextmanager
async def world_with(data: Path, issuer: str, **more: Any) -> AsyncIterator[RestWorld]:
    settings = OIDCSettings(issuer=issuer, client_id=CLIENT, client_secret="s3", redirect_uri=REDIRECT, **more)
    async with rest_world(data, oidc=settings, login_rate=0) as world:
        yield world


async def begin(world: RestWorld) -> tuple[str, str]:
    """Where the browser goes, and the cookie that it keeps."""
    answer = await world.ask("GET", "/session/oidc")
    assert answer.status == 302, answer.body
    cookie = answer.headers["set-cookie"]
    for word in ("HttpOnly", "Secure", "SameSite=Lax"):
        assert word in cookie
    return answer.headers["location"], cookie.partition(";")[0]


async def come_back(world: RestWorld, location: str, cookie: str) -> Answer:
    query = urllib.parse.urlsplit(location).query
    return await world.ask("GET", f"/session/oidc/callback?{query}", headers={"cookie": cookie})


def session_of(answer: Answer) -> dict[str, str]:
    first = answer.headers["set-cookie"].splitlines()[0]
    assert "SameSite=Strict" in first
    return {"cookie": first.partition(";")[0]}


async def test_logging_in_with_a_real_provider(tmp_path: Path) -> None:
    ada = {"sub": "ada", "email": "ada@example.org", "ferryman_role": "operator", "ferryman_tenant": TENANT}
    staff = {"sub": "root", "ferryman_role": ["x", "admin"], "ferryman_tenant": "platform"}
    nobody = {"sub": "nobody", "ferryman_role": "guest", "ferryman_tenant": TENANT}
    homeless = {"sub": "homeless", "ferryman_role": "operator"}
    with provider_process(ada, staff, nobody, homeless) as issuer:
        async with world_with(tmp_path, issuer) as world:

            async def log_in(sub: str) -> Answer:
                url, cookie = await begin(world)
                return await come_back(world, await asyncio.to_thread(sign_in, url, sub), cookie)

            done = await log_in("ada")
            assert (done.status, done.headers["location"]) == (302, "/")
            heads = session_of(done)
            shown = (await world.ask("GET", "/session", headers=heads)).json
            assert (shown["role"], shown["tenant"], shown["kind"]) == ("operator", TENANT, "account")
            assert shown["name"].startswith("ada@example.org")
            assert (await world.ask("GET", "/orders", headers=heads)).status == 200
            again = await world.ask("GET", "/session", headers=session_of(await log_in("ada")))
            assert again.json["id"] == shown["id"]
            shown = (await world.ask("GET", "/session", headers=session_of(await log_in("root")))).json
            assert (shown["role"], shown["tenant"]) == ("admin", "")
            for sub in ("nobody", "homeless"):
                refused = await log_in(sub)
                assert refused.status == 403
                assert "set-cookie" not in refused.headers
            # It has no password here, and an admin gives it none.
            admin = await world.token(KeyRole.ADMIN)
            user = (await world.ask("GET", "/users", admin)).json["items"][0]
            assert user["from_provider"]
            path = f"/users/{user['user_id']}/changes"
            assert (await world.ask("POST", path, admin, {"action": "recover"})).status == 403
            body = {"name": user["name"], "password": "x"}
            assert (await world.ask("POST", "/session", body=body)).status == 401
            assert (await world.ask("POST", path, admin, {"action": "disable"})).status == 200
            assert (await world.ask("GET", "/orders", headers=heads)).status == 401
            assert (await log_in("ada")).status == 403


async def test_a_login_ends_in_the_browser_where_it_began_once_and_soon(tmp_path: Path) -> None:
    ada = {"sub": "ada", "ferryman_role": "operator", "ferryman_tenant": TENANT}
    with provider_process(ada) as issuer:
        async with world_with(tmp_path, issuer) as world:
            url, cookie = await begin(world)
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
            assert query["code_challenge_method"] == "S256"
            location = await asyncio.to_thread(sign_in, url, "ada")
            _, other = await begin(world)
            assert (await come_back(world, location, other)).status == 403  # another browser
            assert (await come_back(world, location, cookie)).status == 403  # and with that the state is used up
            url, cookie = await begin(world)
            location = await asyncio.to_thread(sign_in, url, "ada")
            location += "&session_state=x.y&authuser=0&hd=example.org"  # providers say more (RFC 6749 4.1.2)
            changed = location.replace(query["state"], "0" * 64).replace("state=", "state=f")
            assert (await come_back(world, changed, cookie)).status == 403
            assert (await come_back(world, location, cookie)).status == 302
            assert (await come_back(world, location, cookie)).status == 403  # once
            url, cookie = await begin(world)
            location = await asyncio.to_thread(sign_in, url, "ada")
            world.installation.clock._offset += LOGIN_SECONDS + 1  # type: ignore[attr-defined]
            assert (await come_back(world, location, cookie)).status == 403
            denied = await world.ask("GET", "/session/oidc/callback?error=access_denied&state=x")
            assert denied.status == 403


async def test_without_a_provider_and_with_one_that_is_away(tmp_path: Path) -> None:
    async with rest_world(tmp_path / "a") as world:
        assert (await world.ask("GET", "/session/oidc")).status == 404
    async with world_with(tmp_path / "b", f"http://127.0.0.1:{free_port()}") as world:
        away = await world.ask("GET", "/session/oidc")
        assert away.status == 503
        assert int(away.headers["retry-after"]) >= 1


# -- a provider that forges ---------------------------------------------------------------------------------------


class Forger:
    """An OpenID provider whose ID token a test makes; it checks PKCE as RFC 7636 4.6 has it."""

    def __init__(self) -> None:
        self.challenge = ""
        self.make: Callable[[dict[str, Any]], str] = good
        self.claims: dict[str, Any] = {}
        self.pkce: list[bool] = []
        self.keys = [KEY]
        self.says: dict[str, str] = {}  # in its configuration, instead of what is so
        self.looks = 0  # at its keys
        forger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.endswith("openid-configuration"):
                    self.say(
                        {"issuer": forger.url, "authorization_endpoint": f"{forger.url}/a",
                         "token_endpoint": f"{forger.url}/t", "jwks_uri": f"{forger.url}/k", **forger.says}
                    )  # fmt: skip
                else:
                    forger.looks += 1
                    self.say({"keys": [key.as_dict(private=False) for key in forger.keys]})

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
                digest = hashlib.sha256(form["code_verifier"].encode()).digest()
                shown = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
                forger.pkce.append(shown == forger.challenge)
                self.say({"access_token": "x", "token_type": "Bearer", "id_token": forger.make(forger.claims)})

            def say(self, body: Any) -> None:
                raw = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def forger() -> Iterator[Forger]:
    made = Forger()
    yield made
    made.server.shutdown()
    made.server.server_close()


def good(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY)


def unsigned(claims: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def by_stranger(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, STRANGE)


def with_public_key_as_secret(claims: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "one"}, claims))
    text = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    mac = hmac.digest(KEY.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def bent(claims: dict[str, Any]) -> str:
    head, body, signature = good(claims).split(".")
    content = json.loads(base64.urlsafe_b64decode(body + "=="))
    content["ferryman_role"] = "admin"
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b'=').decode()}.{signature}"


FORGED: dict[str, tuple[Callable[[dict[str, Any]], str], dict[str, Any]]] = {
    "alg none": (unsigned, {}),
    "another key of the same name": (by_stranger, {}),
    "the public key as a secret": (with_public_key_as_secret, {}),
    "claims changed": (bent, {}),
    "no token": (lambda _: "", {}),
    "no JWT": (lambda _: "a.b.c", {}),
    "for somebody else": (good, {"aud": "other"}),
    "for us and others, by others": (good, {"aud": [CLIENT, "other"], "azp": "other"}),
    "of somebody else": (good, {"iss": "http://127.0.0.1:1"}),
    "too old": (good, {"exp": -3600}),
    "from tomorrow": (good, {"iat": 86_400, "nbf": 86_400}),
    "another nonce": (good, {"nonce": "0" * 64}),
    "no nonce": (good, {"nonce": None}),
    "no subject": (good, {"sub": None}),
}


@pytest.mark.parametrize("case", FORGED)
async def test_forged_tokens(tmp_path: Path, forger: Forger, case: str) -> None:
    async with world_with(tmp_path, forger.url) as world:
        forger.make, change = FORGED[case]
        answer = await attempt(world, forger, change)
        assert answer.status == 403, answer.body
        assert "set-cookie" not in answer.headers
        forger.make = good
        assert (await attempt(world, forger, {})).status == 302  # the same without the forgery
        assert forger.pkce == [True, True]
        assert (await world.ask("GET", "/users", await world.token(KeyRole.ADMIN, OTHER))).json["items"] == []


async def attempt(world: RestWorld, forger: Forger, change: dict[str, Any]) -> Answer:
    url, cookie = await begin(world)
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    forger.challenge = query["code_challenge"]
    now = int(world.installation.clock.now())
    claims = {
        "iss": forger.url, "aud": CLIENT, "sub": "ada", "iat": now, "exp": now + 300, "nonce": query["nonce"],
        "ferryman_role": "operator", "ferryman_tenant": TENANT,
    }  # fmt: skip
    for name, value in change.items():
        claims[name] = now + value if name in ("exp", "iat", "nbf") else value
    forger.claims = {name: value for name, value in claims.items() if value is not None}
    location = f"{REDIRECT}?code=c&state={query['state']}"
    return cast(Answer, await come_back(world, location, cookie))


async def test_a_provider_has_a_new_key(tmp_path: Path, forger: Forger) -> None:
    """It is looked for when a token names one that is not known; not over and over for tokens of a forger."""
    async with world_with(tmp_path, forger.url) as world:
        assert (await attempt(world, forger, {})).status == 302
        forger.make = by_stranger
        for _ in range(3):
            assert (await attempt(world, forger, {})).status == 403
        assert forger.looks == 1
        forger.keys = [STRANGE]  # it was the provider's new one
        world.installation.clock._offset += REFETCH_SECONDS  # type: ignore[attr-defined]
        assert (await attempt(world, forger, {})).status == 302
        forger.make = good
        assert (await attempt(world, forger, {})).status == 403  # and the former one is none any more
        assert forger.looks == 2


@pytest.mark.parametrize(
    ("says", "why"),
    [({"issuer": "https://other.example"}, "another one"), ({"token_endpoint": "ftp://x/t"}, "no token_endpoint")],
)
async def test_a_provider_that_says_that_it_is_another(
    tmp_path: Path, forger: Forger, says: dict[str, str], why: str
) -> None:
    async with world_with(tmp_path, forger.url) as world:
        forger.says = says
        answer = await world.ask("GET", "/session/oidc")
        if answer.status == 302:
            answer = await attempt(world, forger, {})
        assert answer.status == 503
        assert why in answer.json["detail"]
        assert "set-cookie" not in answer.headers


async def test_an_answer_of_another_provider_and_a_role_that_is_another_now(
    tmp_path: Path, forger: Forger
) -> None:
    async with world_with(tmp_path, forger.url) as world:
        _, cookie = await begin(world)
        mixed = await world.ask(
            "GET", "/session/oidc/callback?code=c&state=x&iss=https%3A%2F%2Fother.example",
            headers={"cookie": cookie},
        )  # fmt: skip
        assert (mixed.status, "another OpenID provider" in mixed.json["detail"]) == (403, True)
        first = session_of(await attempt(world, forger, {}))
        assert (await world.ask("GET", "/session", headers=first)).json["role"] == "operator"
        moved = {"ferryman_role": "auditor", "ferryman_tenant": OTHER, "email": "=cmd\0\r\n|x@example.org"}
        session_of(await attempt(world, forger, moved))
        shown = (await world.ask("GET", "/session", headers=first)).json  # the former login too, at once
        assert (shown["role"], shown["tenant"]) == ("auditor", OTHER)
        user = (await world.ask("GET", "/users", await world.token(KeyRole.ADMIN, OTHER))).json["items"][0]
        assert user["user_id"] == shown["id"]
        fresh = session_of(await attempt(world, forger, moved | {"sub": "eve"}))
        name = (await world.ask("GET", "/session", headers=fresh)).json["name"]
        assert name.startswith("cmd|x@example.org@")
