# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: session."""

from __future__ import annotations

from ferryman.client.calls import Operation
from ferryman.client.methods.answers import SessionView, TOTPSecret
from ferryman.client.sender import AsyncSender, Sender

LOG_IN: Operation[SessionView] = Operation("log_in", "POST", "/session", SessionView, defaults={"code": ""})
SHOW_SESSION: Operation[SessionView] = Operation("show_session", "GET", "/session", SessionView)
LOG_OUT: Operation[None] = Operation("log_out", "DELETE", "/session", None)
CHANGE_PASSWORD: Operation[None] = Operation("change_password", "POST", "/session/password", None)
NEW_TOTP: Operation[TOTPSecret] = Operation("new_totp", "POST", "/session/totp", TOTPSecret, defaults={"code": ""})
CONFIRM_TOTP: Operation[None] = Operation("confirm_totp", "POST", "/session/totp/confirm", None)
REMOVE_TOTP: Operation[None] = Operation(
    "remove_totp", "POST", "/session/totp/remove", None, defaults={"code": ""}
)
BEGIN_OIDC: Operation[str] = Operation("begin_oidc", "GET", "/session/oidc", str)
END_OIDC: Operation[str] = Operation(
    "end_oidc",
    "GET",
    "/session/oidc/callback",
    str,
    defaults={
        "code": "",
        "state": "",
        "error": "",
        "error_description": "",
        "iss": "",
        "session_state": "",
        "scope": "",
    },
)


class Session(Sender):
    """Methods that block."""

    def log_in(self, *, name: str, password: str, code: str = "") -> SessionView:
        """Log in with name and password.

        `code` is the one-time code, where the account has one. Needs no key.
        `code`: One-time code, 6 digits.
        """
        return self._send(LOG_IN.call(body={"name": name, "password": password, "code": code}))

    def show_session(self) -> SessionView:
        """Who you are and what you may.

        Needs no right.
        """
        return self._send(SHOW_SESSION.call())

    def log_out(self) -> None:
        """Log out.

        Needs no right.
        """
        self._send(LOG_OUT.call())

    def change_password(self, *, old: str, new: str) -> None:
        """Change your password; your other logins end.

        The password so far, and the new one: at least 12 characters. Needs no right.
        """
        self._send(CHANGE_PASSWORD.call(body={"old": old, "new": new}))

    def new_totp(self, *, password: str, code: str = "") -> TOTPSecret:
        """A secret for one-time codes; they hold once one was right.

        Your password once more, and a code where one is asked for. Needs no right.
        `code`: One-time code, 6 digits.
        """
        return self._send(NEW_TOTP.call(body={"password": password, "code": code}))

    def confirm_totp(self, *, code: str) -> None:
        """Show the first code: from now on codes are asked for.

        A code of the authenticator app. Needs no right.
        """
        self._send(CONFIRM_TOTP.call(body={"code": code}))

    def remove_totp(self, *, password: str, code: str = "") -> None:
        """No codes any more.

        Your password once more, and a code where one is asked for. Needs no right.
        `code`: One-time code, 6 digits.
        """
        self._send(REMOVE_TOTP.call(body={"password": password, "code": code}))

    def begin_oidc(self) -> str:
        """Log in by way of the OpenID provider.

        Needs no key. The URL that a browser would be led on to.
        """
        return self._send(BEGIN_OIDC.call())

    def end_oidc(
        self,
        *,
        code: str = "",
        state: str = "",
        error: str = "",
        error_description: str = "",
        iss: str = "",
        session_state: str = "",
        scope: str = "",
    ) -> str:
        """Where the OpenID provider sends the browser back to.

        What the OpenID provider sends the browser back with; other parameters are ignored (RFC 6749 4.1.2). Needs
        no key. The URL that a browser would be led on to.
        """
        return self._send(
            END_OIDC.call(
                query={
                    "code": code,
                    "state": state,
                    "error": error,
                    "error_description": error_description,
                    "iss": iss,
                    "session_state": session_state,
                    "scope": scope,
                }
            )
        )


class AsyncSession(AsyncSender):
    """Methods that are awaited."""

    async def log_in(self, *, name: str, password: str, code: str = "") -> SessionView:
        """Log in with name and password.

        `code` is the one-time code, where the account has one. Needs no key.
        `code`: One-time code, 6 digits.
        """
        return await self._send(LOG_IN.call(body={"name": name, "password": password, "code": code}))

    async def show_session(self) -> SessionView:
        """Who you are and what you may.

        Needs no right.
        """
        return await self._send(SHOW_SESSION.call())

    async def log_out(self) -> None:
        """Log out.

        Needs no right.
        """
        await self._send(LOG_OUT.call())

    async def change_password(self, *, old: str, new: str) -> None:
        """Change your password; your other logins end.

        The password so far, and the new one: at least 12 characters. Needs no right.
        """
        await self._send(CHANGE_PASSWORD.call(body={"old": old, "new": new}))

    async def new_totp(self, *, password: str, code: str = "") -> TOTPSecret:
        """A secret for one-time codes; they hold once one was right.

        Your password once more, and a code where one is asked for. Needs no right.
        `code`: One-time code, 6 digits.
        """
        return await self._send(NEW_TOTP.call(body={"password": password, "code": code}))

    async def confirm_totp(self, *, code: str) -> None:
        """Show the first code: from now on codes are asked for.

        A code of the authenticator app. Needs no right.
        """
        await self._send(CONFIRM_TOTP.call(body={"code": code}))

    async def remove_totp(self, *, password: str, code: str = "") -> None:
        """No codes any more.

        Your password once more, and a code where one is asked for. Needs no right.
        `code`: One-time code, 6 digits.
        """
        await self._send(REMOVE_TOTP.call(body={"password": password, "code": code}))

    async def begin_oidc(self) -> str:
        """Log in by way of the OpenID provider.

        Needs no key. The URL that a browser would be led on to.
        """
        return await self._send(BEGIN_OIDC.call())

    async def end_oidc(
        self,
        *,
        code: str = "",
        state: str = "",
        error: str = "",
        error_description: str = "",
        iss: str = "",
        session_state: str = "",
        scope: str = "",
    ) -> str:
        """Where the OpenID provider sends the browser back to.

        What the OpenID provider sends the browser back with; other parameters are ignored (RFC 6749 4.1.2). Needs
        no key. The URL that a browser would be led on to.
        """
        return await self._send(
            END_OIDC.call(
                query={
                    "code": code,
                    "state": state,
                    "error": error,
                    "error_description": error_description,
                    "iss": iss,
                    "session_state": session_state,
                    "scope": scope,
                }
            )
        )
