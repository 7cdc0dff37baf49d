"""No message shows a secret when it is printed: every struct of the contracts, the REST API and its client."""

from __future__ import annotations

import importlib
import pkgutil
import re
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import ferryman.client
import ferryman.contracts
import ferryman.rest_api
from ferryman.contracts.rest import AccountAdded, AccountView, KeyAdded, KeyRole, KeyView
from ferryman.contracts.secrecy import Guarded
from ferryman.rest_api.bodies_people import Login, NewPassword, TOTPSecret

PACKAGES = (ferryman.contracts, ferryman.rest_api, ferryman.client)
CANARY = "5ec2e7-ca9a24"
SECRET = re.compile(
    r"(^|_)(secret|token|password|passphrase|csrf|key|keys|ki|op|opc|psk|kic|kid|dek|mac)$|^(secret|password)_"
)


# Fields that say which key or where a password is, and hold neither.
NAMES = {("Property", "key"), ("HookView", "key"), ("KeyRange", "operator_key"), ("Peer", "password_file")}


def _structs() -> list[type[msgspec.Struct]]:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    names = tuple(package.__name__ for package in PACKAGES)

    def below(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    return sorted({one for one in below(msgspec.Struct) if one.__module__.startswith(names)}, key=str)


def _canary(hint: Any) -> str | bytes | None:
    """A value for a field that may hold text or octets."""
    if typing.get_origin(hint) is typing.Annotated:
        return _canary(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (tuple, list):
        one = _canary(typing.get_args(hint)[0])
        return None if one is None else typing.cast("Any", (one,))
    if hint is bytes:
        return CANARY.encode()
    if hint is str:
        return CANARY
    return next((one for one in map(_canary, typing.get_args(hint)) if one is not None), None)


CASES = [
    (kind, name)
    for kind in _structs()
    for name, hint in typing.get_type_hints(kind, include_extras=True).items()
    if name in kind.__struct_fields__
    and (SECRET.search(name) or name in getattr(kind, "hidden", ()))
    and "public" not in name
    and (kind.__name__, name) not in NAMES
    and _canary(hint) is not None
]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=lambda one: getattr(one, "__name__", one))
def test_a_secret_is_not_shown(kind: Any, name: str) -> None:
    hints = typing.get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = dict.fromkeys(kind.__struct_fields__, "plain")
    made = kind(**{**values, name: _canary(hints[name])})
    for shown in (repr(made), str(made), f"{made}", repr((made,)), repr({"of": made})):
        assert CANARY not in shown


def test_every_kind_of_message_is_looked_at() -> None:
    kinds = {kind.__name__ for kind, _ in CASES}
    assert {"KeyAdded", "AccountAdded", "TOTPSecret", "WebhookView", "HookKey", "DeleteToken", "PSK"} <= kinds
    assert len(_structs()) > 300


def test_the_four_that_show_a_secret_once() -> None:
    key = KeyView(key_id="k1", name="a", role=KeyRole.ADMIN, tenant="", scopes=(), created=0.0, expires=1.0)
    person = AccountView(user_id="u1", name="a", role=KeyRole.ADMIN, tenant="", created=0.0)
    for made, seen in (
        (KeyAdded(key=key, token=CANARY), "k1"),
        (AccountAdded(account=person, password=CANARY), "u1"),
        (TOTPSecret(secret=CANARY, uri=f"otpauth://totp/x?secret={CANARY}"), "TOTPSecret"),
        (Login(name="ada", password=CANARY, code=CANARY), "ada"),
        (NewPassword(old=CANARY, new=CANARY), "NewPassword"),
    ):
        assert CANARY not in repr(made)
        assert seen in repr(made)
        assert CANARY in msgspec.json.encode(made).decode(), "on the wire it is what it is"


def test_numbers_switches_and_structs_are_no_secrets() -> None:
    class Token(Guarded, frozen=True):
        value: str

    class Made(Guarded, frozen=True, kw_only=True):
        token: bool = True
        keys: tuple[Token, ...] = (Token("seen"),)
        password: str = ""
        secret: int = 5
        hidden_one: str = "seen too"

    assert (
        repr(Made())
        == "Made(token=True, keys=(Token(value='seen'),), password='', secret=5, hidden_one='seen too')"
    )
