"""`python -m ferryman_sim card-maker|euicc|smsc|hlr|mno|fault-proxy`: the world round an SM-DP and SM-SR."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ferryman_sim.card_maker import command as card_maker_command
from ferryman_sim.faults import service as fault_service
from ferryman_sim.hlr import service as hlr_service
from ferryman_sim.mno import service as mno_service
from ferryman_sim.smsc import service as smsc_service
from ferryman_sim.terminal import service as terminal_service


def build_parser() -> argparse.ArgumentParser:
    """The parser with all sub-commands; each sets `run`, which returns the exit status."""
    parser = argparse.ArgumentParser(prog="ferryman_sim", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True)
    card_maker_command.add_parser(subparsers)
    fault_service.add_parser(subparsers)
    hlr_service.add_parser(subparsers)
    mno_service.add_parser(subparsers)
    smsc_service.add_parser(subparsers)
    terminal_service.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns the exit status."""
    args = build_parser().parse_args(arguments)
    status: int = args.run(args)
    return status


if __name__ == "__main__":
    sys.exit(main())
