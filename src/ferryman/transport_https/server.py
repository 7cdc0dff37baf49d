"""The TLS 1.2 PSK server for eUICCs: SCP81 of SGP.02 v3.2, one session per EID.

Decides nothing about scripts: every request of a card goes to `handler`, whose answer goes back. Runs on the
loop on which `start` is called; its only clock is that loop's.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from typing import Any

from ferryman.transport_https.connection import CardConnection
from ferryman.transport_https.contexts import ContextPool
from ferryman.transport_https.deadlines import Deadlines
from ferryman.transport_https.listening import Listener, listening_sockets
from ferryman.transport_https.pump import TLSPump
from ferryman.transport_https.session import (
    CloseReason,
    Handler,
    Hooks,
    HTTPSSettings,
    Lookup,
    Refusal,
    Session,
)
from ferryman.transport_https.wire import Poller, Wire


def _ignore(*_: object) -> None:
    """A hook nobody asked for."""


class PSKServer:
    """Listens for cards.

    `lookup(identity octets)` gives the key of 16 to 64 octets or None when there is none; raise Unavailable when
    it cannot be told. `handler(session, request)` answers a request; Unavailable, Refused and PeerError of it
    become 503, 403 and 400 and end the session. `on_open` and `on_closed` come once per session, in this
    order; `on_alarm` before a session ends because it names another eUICC; `on_refused` for every connection
    that never became a session. `new_session_id` gives unique identifiers, `entropy(n)` n random octets.
    """

    def __init__(
        self,
        settings: HTTPSSettings,
        *,
        lookup: Lookup,
        handler: Handler,
        new_session_id: Callable[[], str],
        on_open: Callable[[Session], None] = _ignore,
        on_closed: Callable[[Session], None] = _ignore,
        on_alarm: Callable[[Session, str], None] = _ignore,
        on_refused: Callable[[Refusal], None] = _ignore,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.settings = settings
        self.hooks = Hooks(lookup, handler, on_open, on_closed, on_alarm, on_refused)
        self.new_session_id = new_session_id
        self._entropy = entropy
        self._contexts = ContextPool()
        self._listener: Listener | None = None
        self._deadlines: Deadlines | None = None
        self._poller: Poller | None = None
        self._connections: set[CardConnection] = set()
        self._handshakes: dict[CardConnection, None] = {}  # in order of arrival
        self._by_eid: dict[str | bytes, CardConnection] = {}
        self._by_id: dict[str, CardConnection] = {}
        self._all_gone: asyncio.Event | None = None
        self._stopping = False

    async def start(self, listener: socket.socket | None = None) -> None:
        """Opens the listening socket, or takes over one; raises Unavailable when the address cannot be used."""
        if self._listener is not None:
            raise RuntimeError("already started")
        settings = self.settings
        self._stopping = False
        self._all_gone = asyncio.Event()
        if listener is None:
            sockets = await listening_sockets(settings)
        else:
            listener.listen(settings.backlog)
            sockets = [listener]
        loop = asyncio.get_running_loop()
        deadlines = self._deadlines = Deadlines(loop)
        poller = self._poller = Poller(loop)

        def accept(sock: socket.SocketType, address: Any) -> None:
            CardConnection(self, loop, deadlines, Wire(poller, sock), _peer_text(address)).begin()

        self._listener = Listener(poller, sockets, accept)

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._listener is None:
            raise RuntimeError("not started")
        return self._listener.port

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that are open now."""
        return tuple(c.session for c in self._by_id.values() if c.session is not None)

    def disconnect(self, session_id: str, reason: CloseReason = CloseReason.DISCONNECTED) -> bool:
        """Ends a session; False when there is none of this id."""
        connection = self._by_id.get(session_id)
        if connection is None:
            return False
        connection.end(reason)
        return True

    async def stop(self, grace: float | None = None) -> None:
        """Stops listening, lets answers under way go out, and drops what is left after `grace` seconds.

        `grace` is the setting `close_timeout` when not given.
        """
        listener, self._listener = self._listener, None
        if listener is None or self._all_gone is None:
            return
        self._stopping = True
        listener.close()
        for connection in tuple(self._connections):
            connection.drain()
        try:
            if self._connections:
                async with asyncio.timeout(self.settings.close_timeout if grace is None else grace):
                    await self._all_gone.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.abort()
        if self._deadlines is not None and self._poller is not None:
            self._deadlines.close()
            self._poller.close()

    # for the connections

    def new_pump(self) -> TLSPump:
        """A pump for one connection."""
        return TLSPump(self._contexts, entropy=self._entropy, unknown_identity=self.settings.unknown_identity)

    def admit(self, connection: CardConnection) -> bool:
        """Counts a new connection in; False when the server is full or going down."""
        self._connections.add(connection)
        if self._stopping or len(self._connections) > self.settings.max_connections:
            return False
        if len(self._handshakes) >= self.settings.max_handshakes:
            # Strangers who only hold a connection open must not keep cards out: the oldest makes room.
            next(iter(self._handshakes)).abort()
        self._handshakes[connection] = None
        return True

    def authenticated(self, connection: CardConnection, session: Session) -> None:
        """Registers a session; an older one of the same eUICC is ended first."""
        self._handshakes.pop(connection, None)
        key = session.key
        older = self._by_eid.get(key)
        if older is not None:
            older.end(CloseReason.REPLACED)
        self._by_eid[key] = connection
        self._by_id[session.id] = connection

    def forget(self, connection: CardConnection) -> None:
        """The session of `connection`, if any, is over."""
        self._handshakes.pop(connection, None)
        session = connection.session
        if session is None:
            return
        self._by_id.pop(session.id, None)
        key = session.key
        if self._by_eid.get(key) is connection:
            del self._by_eid[key]

    def gone(self, connection: CardConnection) -> None:
        """The socket of `connection` is closed."""
        self._connections.discard(connection)
        if self._stopping and not self._connections and self._all_gone is not None:
            self._all_gone.set()


def _peer_text(address: Any) -> str:
    """`address:port` of a peer for logs."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
