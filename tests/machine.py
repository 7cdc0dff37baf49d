"""A machine that can be cut off: everything an installation has running ends in one instant, nothing is flushed.

`Machine.boot` opens an installation inside a context of its own, so that every task, timer and socket that comes
from it is known to be its. `cut` (called from inside a commit) silences the databases and the sockets at once;
what SQLite has committed and what the kernel has been given are all that is left, as after SIGKILL. `bury`
then ends the tasks, so that the loop and the test's end are clean.
"""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Coroutine
from typing import Any

from ferryman.cli.operator import Operator
from ferryman.transport_https.listening import Door
from ferryman.transport_https.wire import Poller, Wire
from rig import Platform

MAX_ROUNDS = 200  # turns of the loop in which every task of a dead machine must have ended

_HOME: contextvars.ContextVar[Machine | None] = contextvars.ContextVar("machine", default=None)


class Cut(Exception):
    """The machine went off while something ran on it."""


class Machine:
    """One life of an installation, from `boot` to `cut` or `halt`."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._off = asyncio.Event()
        self._sockets: weakref.WeakSet[Any] = weakref.WeakSet()
        self._wires: list[Wire] = []
        self._context = contextvars.copy_context()
        self._context.run(_HOME.set, self)
        _watch_sockets(asyncio.get_running_loop())

    @property
    def is_off(self) -> bool:
        """Whether it was cut."""
        return self._off.is_set()

    async def wait_off(self) -> None:
        """Until it is cut."""
        await self._off.wait()

    async def boot(self) -> Operator:
        """Start the installation; raises Cut."""
        return await self.run(self.platform.open())

    async def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on this machine; raises Cut when it goes off meanwhile."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(work, context=self._context)
        off = loop.create_task(self._off.wait())
        try:
            await asyncio.wait({task, off}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            off.cancel()
            raise
        if self.is_off:
            raise Cut
        off.cancel()
        return await task

    def cut(self) -> None:
        """Off, now. May be called from inside a commit of one of its databases."""
        self._off.set()
        for store in self.platform.installation.stores:
            store._dead = True
        for socket in self._sockets:
            socket.abort()  # drops what is not with the kernel yet and writes nothing more
        self._stop_listening()
        for watcher in self._watchers():
            _close_sockets(watcher)
        self._drop_wires()

    async def bury(self) -> None:
        """End the tasks and timers of a machine that was cut, and close its databases."""
        for _ in range(MAX_ROUNDS):
            await asyncio.sleep(0)
            left = [task for task in asyncio.all_tasks() if self._owns(task.get_context())]
            if not left:
                break
            for task in left:
                task.cancel()
        else:
            raise AssertionError(f"tasks outlive their machine: {left}")
        self._stop_listening()  # a start that was under way may have come to it meanwhile
        for watcher in self._watchers():
            _close_sockets(watcher)
            watcher.close()
        self._drop_wires()
        loop: Any = asyncio.get_running_loop()
        for timer in loop._scheduled:
            if self._owns(timer._context):
                timer.cancel()
        for store in self.platform.installation.stores:
            store.abandon()

    async def halt(self) -> None:
        """Stop in order."""
        await self.run(self.platform.close())

    def _stop_listening(self) -> None:
        loop: Any = asyncio.get_running_loop()
        for key in list(loop._selector.get_map().values()):
            reader = key.data[0] if isinstance(key.data, tuple) else None
            if reader is not None and reader._callback == loop._accept_connection and self._owns(reader._context):
                loop._stop_serving(reader._args[1])

    def _drop_wires(self) -> None:
        # Also those that wait for a key, which no watcher looks at meanwhile.
        for wire in self._wires:
            socket, wire._socket = wire._socket, None
            if socket is not None:
                socket.close()
        self._wires.clear()

    def _watchers(self) -> list[Poller]:
        """What looks at sockets of this machine without a transport of the loop."""
        loop: Any = asyncio.get_running_loop()
        readers = [key.data[0] for key in loop._selector.get_map().values() if isinstance(key.data, tuple)]
        owned = [reader for reader in readers if reader is not None and self._owns(reader._context)]
        found = [getattr(reader._callback, "__self__", None) for reader in owned]
        return [each for each in found if isinstance(each, Poller)]

    def _owns(self, context: contextvars.Context) -> bool:
        return context.get(_HOME) is self


def _close_sockets(poller: Poller) -> None:
    """As the kernel does when the process has gone: nothing more is written, and nobody is told."""
    for each in list(poller._watched.values()):
        if isinstance(each, Door):
            each.close()
        elif isinstance(each, Wire) and each._socket is not None:
            socket, each._socket = each._socket, None
            socket.close()
    poller._watched.clear()


def _watch_sockets(loop: Any) -> None:
    """Let the loop tell each machine of the transports it makes for it."""
    if "_make_socket_transport" in vars(loop):
        return
    make = loop._make_socket_transport

    def watched(*args: Any, **options: Any) -> Any:
        transport = make(*args, **options)
        home = _HOME.get()
        if home is not None:
            home._sockets.add(transport)
            if home.is_off:  # it was connecting when it went off
                transport.abort()
        return transport

    loop._make_socket_transport = watched


def _watch_wires() -> None:
    """Let each machine know the sockets of cards that are its."""
    make = Wire.__init__

    def watched(wire: Wire, *args: Any) -> None:
        make(wire, *args)
        home = _HOME.get()
        if home is not None:
            home._wires.append(wire)

    Wire.__init__ = watched  # type: ignore[assignment, method-assign]


_watch_wires()
