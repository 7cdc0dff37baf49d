"""Who asks: an API key, or the login of a person. No secret ever shows in a `repr`."""

from __future__ import annotations

from collections.abc import Iterable

from ferryman.errors import InputError

SESSION_COOKIE = "__Host-ferryman"
CSRF = "X-CSRF-Token"
SAFE = frozenset(("GET", "HEAD"))  # methods that change nothing, and take no CSRF token
MAX_COOKIES = 20  # the platform sets two; whoever answers in its place shall not fill the memory


class Credentials:
    """What goes into the head of each request, and what is learned from answers (cookies, CSRF token).

    An API key stays what it is. Without one, the cookies of a login are kept as a browser would: from
    `log_in` or an OpenID login on, until they are taken back.
    """

    __slots__ = ("_cookies", "_csrf", "_key")

    def __init__(self, key: str = "", session: str = "") -> None:
        for name, secret in (("key", key), ("session", session)):
            if not secret.isascii() or any(not "!" <= octet <= "~" for octet in secret):
                raise InputError(name, "has characters that no credential has")
        self._key = key
        self._cookies = {SESSION_COOKIE: session} if session else {}
        self._csrf = ""

    def __repr__(self) -> str:
        kind = "API key" if self._key else "login" if SESSION_COOKIE in self._cookies else "nobody"
        return f"<Credentials: {kind}>"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not pickled")

    @property
    def secret(self) -> bool:
        """Whether there is anything that must not travel in the clear."""
        return bool(self._key or self._cookies)

    def headers(self, method: str) -> tuple[tuple[str, str], ...]:
        """Header fields that say who asks."""
        if self._key:
            return (("Authorization", f"Bearer {self._key}"),)
        if not self._cookies:
            return ()
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        proof = ((CSRF, self._csrf),) if self._csrf and method not in SAFE else ()
        return (("Cookie", cookies), *proof)

    def learn_cookies(self, set_cookies: Iterable[str]) -> None:
        """Take what Set-Cookie fields say (RFC 6265 5.2), for the one server that we speak with."""
        if self._key:
            return
        for field in set_cookies:
            pair, _, attributes = field.partition(";")
            name, _, value = (part.strip() for part in pair.partition("="))
            if not value or "max-age=0" in attributes.lower().replace(" ", "").split(";"):
                self._cookies.pop(name, None)
                if name == SESSION_COOKIE:
                    self._csrf = ""
            elif len(self._cookies) < MAX_COOKIES or name in self._cookies:
                self._cookies[name] = value

    def learn_csrf(self, token: str) -> None:
        """The token that requests which change something carry beside the cookie."""
        self._csrf = token
