"""The `mno` process: the operator's OTA platform with a control port of JSON lines.

Requests: `pol1` (iccid, pol1: the byte), `connectivity` (iccid, smsc); answer: sw in four hexadecimal digits, or
error.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ferryman_sim import process
from ferryman_sim.json_lines import Channel, LineServer, Message, answer_requests
from ferryman_sim.mno import es6
from ferryman_sim.mno.platform import DEFAULT_TAR, MNO, MNOError, Subscriber, read_subscribers


class MNOService:
    """An MNO with its control port."""

    def __init__(self, mno: MNO, smsc: tuple[str, int], host: str, port: int) -> None:
        self._mno = mno
        self._smsc = smsc
        self._address = (host, port)
        self._server = LineServer(self._serve)

    async def start(self) -> dict[str, Any]:
        """Bind to the SMSC and open the control port; returns its number."""
        await self._mno.start(*self._smsc)
        return {"ready": "mno", "control_port": await self._server.start(*self._address)}

    async def stop(self) -> None:
        """Stop."""
        await self._server.stop()
        await self._mno.stop()

    async def ask(self, request: Message) -> Message:
        """The answer to a control request; `{"error": text}` when it makes no sense or the card is silent."""
        try:
            match request.get("op"):
                case "pol1":
                    word = await self._mno.update_pol1(str(request["iccid"]), _octet(request["pol1"]))
                case "connectivity":
                    word = await self._mno.update_connectivity(str(request["iccid"]), str(request["smsc"]))
                case other:
                    return {"error": f"unknown op {other}"}
        except KeyError as error:
            return {"error": f"{error} is missing"}
        except (MNOError, ValueError) as error:
            return {"error": str(error)}
        return {"sw": f"{word:04X}"}

    async def _serve(self, channel: Channel) -> None:
        await answer_requests(channel, self.ask)


def _octet(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 0xFF:
        raise ValueError("pol1 is a byte")
    return value


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `mno` sub-command."""
    parser = subparsers.add_parser("mno", help="run an operator's OTA platform (ES6)")
    parser.add_argument("--csv", type=Path, action="append", required=True, help="subscriptions with OTA keys")
    parser.add_argument("--smsc", required=True, help="HOST:PORT of the SMSC's SMPP port")
    parser.add_argument("--account", required=True, help="SYSTEM_ID:PASSWORD")
    parser.add_argument("--address", required=True, help="number of the OTA platform, one of the account's")
    parser.add_argument("--tar", default=DEFAULT_TAR.hex().upper(), help="TAR of the MNO-SD, hexadecimal")
    parser.add_argument("--pol1-tag", default=f"{es6.POL1_TAG:02X}", help="hexadecimal tag of the POL1 byte")
    parser.add_argument("--host", default="127.0.0.1", help="address of the control port")
    parser.add_argument("--control", type=int, default=0, help="number of the control port")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the MNO process until a signal."""

    async def make() -> MNOService:
        subscribers: list[Subscriber] = []
        for path in args.csv:
            subscribers += read_subscribers(path.read_text(), tar=bytes.fromhex(args.tar))
        system_id, separator, password = args.account.partition(":")
        if not separator:
            raise ValueError("an account is SYSTEM_ID:PASSWORD")
        mno = MNO(
            subscribers,
            address=args.address,
            system_id=system_id,
            password=password,
            pol1_tag=int(args.pol1_tag, 16),
        )
        return MNOService(mno, process.address(args.smsc), args.host, args.control)

    return process.run("mno", make)
