"""Command line of the card maker: `card-maker make` and `card-maker certify`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ferryman_sim.card_maker import batch, certify, gp_cert
from ferryman_sim.card_maker.cards import LARGEST_BATCH, LARGEST_SPARES, CardPlan, Https, Ranges
from ferryman_sim.card_maker.defects import Defect
from ferryman_sim.card_maker.eis import EisPlan
from ferryman_sim.card_maker.personality import PERSONALITIES, Personality
from ferryman_sim.card_maker.seeded import Seed

PRODUCTION = datetime(2024, 3, 1, 8, tzinfo=UTC)
DEFAULT_NVM = 1_048_576  # bytes for profiles: what M2M eUICCs of the v3 generation commonly offer
DEFAULT_RAM = 8_192  # bytes
RANGES = Ranges()
CURVES = {"P-256": gp_cert.CURVE_P256, "brainpoolP256r1": gp_cert.CURVE_BRAINPOOL}


def _oid(text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)+", text):
        raise argparse.ArgumentTypeError(f"not an object identifier: {text}")
    return text


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not hexadecimal: {text}") from error


def _digits(text: str) -> str:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"not digits: {text}")
    return text


def _address(text: str) -> str:
    return "+" + _digits(text.removeprefix("+"))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not a date and time: {text}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _numbers(text: str) -> frozenset[int]:
    try:
        return frozenset(int(part) for part in text.split(",") if part)
    except ValueError as error:
        raise argparse.ArgumentTypeError("card numbers with commas between them") from error


def _personality(text: str) -> tuple[int | None, Personality]:
    name, _, number = text.partition(":")
    try:
        return (int(number) if number else None), PERSONALITIES[name]
    except (KeyError, ValueError) as error:
        known = ", ".join(PERSONALITIES)
        raise argparse.ArgumentTypeError(f"NAME or NAME:CARD with NAME one of {known}") from error


def _defect(text: str) -> tuple[int | None, Defect]:
    name, _, number = text.partition(":")
    try:
        return (int(number) if number else None), Defect(name)
    except ValueError as error:
        known = ", ".join(defect.value for defect in Defect)
        raise argparse.ArgumentTypeError(f"KIND or KIND:CARD with KIND one of {known}") from error


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `card-maker` with its sub-commands."""
    parser = subparsers.add_parser("card-maker", help="make cards, EIS deliveries and certificates")
    commands = parser.add_subparsers(dest="card_maker_command", required=True)
    _add_make(commands.add_parser("make", help="make a batch of cards and its EIS delivery"))
    _add_certify(commands.add_parser("certify", help="sign an SM-DP or SM-SR key with the CI"))


def _add_make(make: argparse.ArgumentParser) -> None:
    make.add_argument("--out", type=Path, required=True, help="folder for all files")
    make.add_argument("--count", type=int, required=True, help=f"number of cards, at most {LARGEST_BATCH}")
    make.add_argument("--seed", required=True, help="the same seed makes the same cards")
    make.add_argument(
        "--ci-seed", help="seed of the CI, when batches of several makers share one (default: --seed)"
    )
    make.add_argument("--smsr-address", type=_address, required=True, help="MSISDN or short code of the SM-SR")
    make.add_argument("--https-host", help="SM-SR host for SCP81; without it the cards know SMS only")
    make.add_argument("--https-port", type=int, default=443)
    make.add_argument("--https-uri", default="/gsma/adminagent")
    make.add_argument("--poll", type=int, help="seconds between sessions that a card opens by itself (pull mode)")
    make.add_argument("--poll-uri", help="URI of those sessions (default: --https-uri)")
    make.add_argument("--ci-id", type=_oid, default="1.3.6.1.4.1.99999.1")
    make.add_argument("--eum-id", type=_oid, default="1.3.6.1.4.1.99999.40")
    make.add_argument("--smsr-id", type=_oid, default="1.3.6.1.4.1.99999.20")
    make.add_argument("--mno-id", type=_oid, default="1.3.6.1.4.1.99999.30", help="owner of the bootstrap profile")
    make.add_argument("--memory", type=int, default=DEFAULT_NVM, help="bytes of memory for profiles")
    make.add_argument("--ram", type=int, default=DEFAULT_RAM)
    make.add_argument("--platform-type", help="PlatformType of every EIS (default: of the personality)")
    make.add_argument("--platform-version", help="PlatformVersion of every EIS (default: of the personality)")
    make.add_argument(
        "--personality", type=_personality, action="append", default=[], help="NAME for all cards or NAME:CARD"
    )
    make.add_argument(
        "--spare-enabled",
        type=_numbers,
        default=frozenset(),
        help="numbers of the cards whose first spare is enabled",
    )
    make.add_argument("--spare-smdp-id", type=_oid, help="SM-DP that the EIS names for them (default: none)")
    make.add_argument("--spares", type=int, default=0, help="further profiles on each card, disabled")
    make.add_argument("--remote-provisioning-version", default="3.2.0")
    make.add_argument("--production-date", type=_moment, default=PRODUCTION)
    make.add_argument("--sin", type=_hex, default=_hex("4201"), help="hex, SIN of ISD-R and ECASD")
    make.add_argument("--sdin", type=_hex, default=_hex("45000001"), help="hex, SDIN of ISD-R and ECASD")
    make.add_argument("--isd-r-tar", type=_hex, default=b"", help="hex, TAR of the ISD-R instead of its AID's")
    make.add_argument("--curve", choices=sorted(CURVES), default="P-256", help="of the ECASD's key")
    make.add_argument("--iccid-prefix", type=_digits, default=RANGES.iccid)
    make.add_argument("--imsi-prefix", type=_digits, default=RANGES.imsi)
    make.add_argument("--msisdn-prefix", type=_digits, default=RANGES.msisdn)
    make.add_argument(
        "--defect", type=_defect, action="append", default=[], help="KIND for all cards or KIND:CARD for one"
    )
    make.set_defaults(run=run_make)


def _add_certify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out-dir", type=Path, required=True, help="folder of a batch: its CI signs")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM file, P-256 or brainpoolP256r1")
    parser.add_argument("--role", choices=["dp", "sr"], required=True)
    parser.add_argument("--subject-id", type=_hex, required=True, help="hex, 1 to 16 bytes (5F20)")
    parser.add_argument("--out", type=Path, help="default: OUT_DIR/cert-ROLE-SUBJECT.hex")
    parser.set_defaults(run=run_certify)


def order_from(args: argparse.Namespace) -> batch.Order:
    """The order that the arguments of `make` describe. Raises ValueError."""
    if not 1 <= args.count <= LARGEST_BATCH:
        raise ValueError(f"--count is 1 to {LARGEST_BATCH}")
    sizes = ((args.iccid_prefix, 8, "--iccid-prefix"), (args.imsi_prefix, 5, "--imsi-prefix"))
    for prefix, size, option in sizes:
        if len(prefix) != size:
            raise ValueError(f"{option} has {size} digits")
    if not 1 <= len(args.msisdn_prefix) <= 5:
        raise ValueError("--msisdn-prefix has 1 to 5 digits")
    ranges = Ranges(iccid=args.iccid_prefix, imsi=args.imsi_prefix, msisdn=args.msisdn_prefix)
    if not 0 <= args.spares <= LARGEST_SPARES:
        raise ValueError(f"--spares is 0 to {LARGEST_SPARES}")
    if args.spare_enabled and not args.spares:
        raise ValueError("--spare-enabled needs --spares")
    if len(args.isd_r_tar) not in (0, 3):
        raise ValueError("--isd-r-tar has 3 bytes")
    if args.poll is not None and args.poll < 1:
        raise ValueError("--poll is at least one second")
    address = (args.https_host, args.https_port, args.https_uri, args.poll, args.poll_uri)
    https = Https(*address) if args.https_host else None
    plan = CardPlan(args.smsr_address, https, args.sin, args.sdin, args.memory, args.ram, ranges, args.spares)
    plan = replace(plan, curve=CURVES[args.curve], isd_r_tar=args.isd_r_tar)
    defects: dict[int, Defect] = {}
    for number, defect in args.defect:
        defects.update(dict.fromkeys([number] if number else range(1, args.count + 1), defect))
    personalities: dict[int, Personality] = {}
    for number, personality in args.personality:
        personalities.update(dict.fromkeys([number] if number else range(1, args.count + 1), personality))
    return batch.Order(
        seed=Seed(args.seed),
        ci_seed=Seed(args.ci_seed or args.seed),
        count=args.count,
        ci_id=args.ci_id,
        eum_id=args.eum_id,
        cards=plan,
        eis=EisPlan(
            smsr_id=args.smsr_id,
            mno_id=args.mno_id,
            ci_id=args.ci_id,
            production=args.production_date,
            platform_type=args.platform_type,
            platform_version=args.platform_version,
            remote_provisioning_version=args.remote_provisioning_version,
            http_supported=https is not None,
            spare_smdp_id=args.spare_smdp_id,
        ),
        defects=defects,
        personalities=personalities,
        spare_enabled=args.spare_enabled,
    )


def run_make(args: argparse.Namespace) -> int:
    """Make a batch; prints one line of JSON with the folder and the number of cards."""
    try:
        made = batch.produce(order_from(args))
        batch.write(made, args.out)
    except (ValueError, OSError) as error:
        print(f"card-maker make: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps({"out": str(args.out), "cards": len(made.cards), "seed": args.seed}))  # noqa: T201
    return 0


def run_certify(args: argparse.Namespace) -> int:
    """Sign a key; prints one line of JSON with the file written."""
    role = gp_cert.Role[args.role.upper()]
    subject = args.subject_id.hex().upper()
    target = args.out or args.out_dir / f"cert-{args.role}-{subject}.hex"
    try:
        ci_oid = json.loads((args.out_dir / "batch.json").read_text())["ci"]["oid"]
        request = certify.Request(role, args.subject_id, *certify.read_point(args.public_key))
        made = certify.issue(request, certify.read_key(args.out_dir / "ci-key.pem"), ci_oid)
        batch.write_file(target, made.hex().upper() + "\n")
    except (certify.CertifyError, ValueError, OSError) as error:
        print(f"card-maker certify: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps({"certificate": str(target), "role": args.role, "subject": subject}))  # noqa: T201
    return 0
