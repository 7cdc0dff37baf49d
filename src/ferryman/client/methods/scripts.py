# Made by tools/client_methods.py from the table of endpoints: change it there.
"""Routes of the REST API: scripts."""

from __future__ import annotations

from collections.abc import Sequence

from ferryman.client.calls import Operation, Page
from ferryman.client.paging import AsyncPages, Pages
from ferryman.client.sender import AsyncSender, Sender
from ferryman.contracts.workflow import DecisionView, ScriptActivated, ScriptChecked, ScriptTried, ScriptView
from ferryman.workflow.question import Question

LIST_SCRIPTS: Operation[Page[ScriptView]] = Operation(
    "list_scripts", "GET", "/scripts", Page[ScriptView], defaults={"after": "", "limit": 50}
)
ACTIVATE_SCRIPT: Operation[ScriptActivated] = Operation(
    "activate_script", "POST", "/scripts", ScriptActivated, once=True
)
CHECK_SCRIPT: Operation[ScriptChecked] = Operation("check_script", "POST", "/scripts/check", ScriptChecked)
TRY_SCRIPT: Operation[ScriptTried] = Operation("try_script", "POST", "/scripts/try", ScriptTried)
ROLL_BACK_SCRIPT: Operation[ScriptActivated] = Operation(
    "roll_back_script", "POST", "/scripts/rollback", ScriptActivated, once=True, defaults={"version": None}
)
LIST_DECISIONS: Operation[Page[DecisionView]] = Operation(
    "list_decisions",
    "GET",
    "/scripts/decisions",
    Page[DecisionView],
    defaults={"after": "", "limit": 50, "eid": ""},
)


class Scripts(Sender):
    """Methods that block."""

    def list_scripts(self, *, after: str = "", page_size: int = 50) -> Pages[ScriptView]:
        """Versions of the transport script.

        Needs the right `script:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_SCRIPTS.call(query={"after": after, "limit": page_size}))

    def activate_script(self, *, name: str, text: str, idempotency_key: str = "") -> ScriptActivated:
        """Activate a transport script.

        A transport script: checked where it would run, kept as a version, asked from now on. Needs the right
        `script:write`.
        """
        return self._send(ACTIVATE_SCRIPT.call(body={"name": name, "text": text}, idempotency_key=idempotency_key))

    def check_script(self, *, name: str, text: str) -> ScriptChecked:
        """What would be said of a script if it were activated.

        A transport script: checked where it would run, kept as a version, asked from now on. Needs the right
        `script:read`.
        """
        return self._send(CHECK_SCRIPT.call(body={"name": name, "text": text}))

    def try_script(self, *, name: str, text: str, questions: Sequence[Question]) -> ScriptTried:
        """What a script says to questions; nothing comes of it.

        A script and questions as `GET /scripts/decisions` shows them. Needs the right `script:read`.
        """
        return self._send(TRY_SCRIPT.call(body={"name": name, "text": text, "questions": questions}))

    def roll_back_script(self, *, version: int | None = None, idempotency_key: str = "") -> ScriptActivated:
        """Go back to a version.

        The version to go back to: 0 is the built-in policy, null the one that was active before. Needs the right
        `script:write`.
        """
        return self._send(ROLL_BACK_SCRIPT.call(body={"version": version}, idempotency_key=idempotency_key))

    def list_decisions(self, *, after: str = "", page_size: int = 50, eid: str = "") -> Pages[DecisionView]:
        """The last decisions of the script.

        Decisions about one card, or about all, the newest first. Needs the right `script:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        """
        return self._pages(LIST_DECISIONS.call(query={"after": after, "limit": page_size, "eid": eid}))


class AsyncScripts(AsyncSender):
    """Methods that are awaited."""

    def list_scripts(self, *, after: str = "", page_size: int = 50) -> AsyncPages[ScriptView]:
        """Versions of the transport script.

        Needs the right `script:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        """
        return self._pages(LIST_SCRIPTS.call(query={"after": after, "limit": page_size}))

    async def activate_script(self, *, name: str, text: str, idempotency_key: str = "") -> ScriptActivated:
        """Activate a transport script.

        A transport script: checked where it would run, kept as a version, asked from now on. Needs the right
        `script:write`.
        """
        return await self._send(
            ACTIVATE_SCRIPT.call(body={"name": name, "text": text}, idempotency_key=idempotency_key)
        )

    async def check_script(self, *, name: str, text: str) -> ScriptChecked:
        """What would be said of a script if it were activated.

        A transport script: checked where it would run, kept as a version, asked from now on. Needs the right
        `script:read`.
        """
        return await self._send(CHECK_SCRIPT.call(body={"name": name, "text": text}))

    async def try_script(self, *, name: str, text: str, questions: Sequence[Question]) -> ScriptTried:
        """What a script says to questions; nothing comes of it.

        A script and questions as `GET /scripts/decisions` shows them. Needs the right `script:read`.
        """
        return await self._send(TRY_SCRIPT.call(body={"name": name, "text": text, "questions": questions}))

    async def roll_back_script(self, *, version: int | None = None, idempotency_key: str = "") -> ScriptActivated:
        """Go back to a version.

        The version to go back to: 0 is the built-in policy, null the one that was active before. Needs the right
        `script:write`.
        """
        return await self._send(ROLL_BACK_SCRIPT.call(body={"version": version}, idempotency_key=idempotency_key))

    def list_decisions(self, *, after: str = "", page_size: int = 50, eid: str = "") -> AsyncPages[DecisionView]:
        """The last decisions of the script.

        Decisions about one card, or about all, the newest first. Needs the right `script:read`.
        `after`: `next` of the page before; empty at first.
        `page_size`: Entries of the page.
        `eid`: An EID, or nothing.
        """
        return self._pages(LIST_DECISIONS.call(query={"after": after, "limit": page_size, "eid": eid}))
