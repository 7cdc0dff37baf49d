"""SCP80 packets and SCP03t downloads beside the bare library calls on the same bytes."""

from __future__ import annotations

import random
from functools import partial

from bench.frame import Benchmark, Figures, paired, per_cpu_second, same
from bench.reference import bare_scp03t, bare_scp80
from ferryman.secure import scp03t, scp80
from ferryman.secure.card_key import CardKey

SEED = 80
CARDS = 500  # each with keys of its own: a packet of a round never meets keys that are still warm
DATA_BYTES = 114  # with checksum and padding a packet of 138 bytes
ROUNDS = 15
SPI = bytes.fromhex("1639")
KEY_OCTET = 0x12
TAR = bytes.fromhex("000001")
PROFILE_BYTES = 30_000
PROFILES = 20

type Card = tuple[bytes, bytes, int, bytes]  # KIc, KID, counter, data


def cards(count: int = CARDS) -> list[Card]:
    """Keys, counter and data of so many packets."""
    chance = random.Random(SEED)  # noqa: S311 - test keys
    return [
        (chance.randbytes(16), chance.randbytes(16), chance.randrange(1 << 40), chance.randbytes(DATA_BYTES))
        for _ in range(count)
    ]


def wrap_ours[K: (bytes, CardKey)](given: list[tuple[K, K, int, bytes]]) -> list[bytes]:
    """Every packet by the product, with key bytes or with the card's key objects kept."""
    return [
        scp80.wrap_command(kic, kid, spi=SPI, kic=KEY_OCTET, kid=KEY_OCTET, tar=TAR, counter=counter, data=data)
        for kic, kid, counter, data in given
    ]


def wrap_bare(given: list[Card]) -> list[bytes]:
    """Every packet by hand."""
    header = SPI + bytes((KEY_OCTET, KEY_OCTET)) + TAR
    return [bare_scp80.wrap(kic, kid, header, counter, data) for kic, kid, counter, data in given]


def responses(given: list[Card]) -> list[tuple[bytes, bytes, int, bytes]]:
    """KIc, KID, counter and the card's proof of receipt."""
    return [
        (
            kic,
            kid,
            counter,
            scp80.wrap_response(
                kic,
                kid,
                spi2=SPI[1],
                kic=KEY_OCTET,
                kid=KEY_OCTET,
                tar=TAR,
                counter=counter,
                status=0,
                data=data,
            ),
        )
        for kic, kid, counter, data in given
    ]


def unwrap_ours[K: (bytes, CardKey)](given: list[tuple[K, K, int, bytes]]) -> list[scp80.Response]:
    """Every answer by the product, compared with its command as in service."""
    return [
        scp80.unwrap_response(
            kic, kid, packet, spi2=SPI[1], kic=KEY_OCTET, kid=KEY_OCTET, tar=TAR, counter=counter
        )
        for kic, kid, counter, packet in given
    ]


def fields(opened: list[scp80.Response]) -> list[tuple[bytes, int, int, bytes]]:
    """Answers in the form of the reference."""
    return [(one.tar, one.counter, one.status, one.data) for one in opened]


def unwrap_bare(given: list[tuple[bytes, bytes, int, bytes]]) -> list[tuple[bytes, int, int, bytes]]:
    """Every answer by hand."""
    return [bare_scp80.unwrap(kic, kid, packet) for kic, kid, _, packet in given]


def _wrap() -> Figures:
    given = cards()
    same(wrap_ours(given), wrap_bare(given), "command packets")
    return paired(
        per_cpu_second(partial(wrap_ours, given), CARDS),
        per_cpu_second(partial(wrap_bare, given), CARDS),
        rounds=ROUNDS,
    )


def _wrap_cached() -> Figures:
    given = cards()
    kept = [(CardKey(kic), CardKey(kid), counter, data) for kic, kid, counter, data in given]
    for _ in range(2):  # the second time the kept objects have been used before
        same(wrap_ours(kept), wrap_bare(given), "command packets")
    return paired(
        per_cpu_second(partial(wrap_ours, kept), CARDS),
        per_cpu_second(partial(wrap_bare, given), CARDS),
        rounds=ROUNDS,
    )


def _unwrap() -> Figures:
    given = responses(cards())
    same(fields(unwrap_ours(given)), unwrap_bare(given), "response packets")
    return paired(
        per_cpu_second(partial(unwrap_ours, given), CARDS),
        per_cpu_second(partial(unwrap_bare, given), CARDS),
        rounds=ROUNDS,
    )


def _unwrap_cached() -> Figures:
    given = responses(cards())
    kept = [(CardKey(kic), CardKey(kid), counter, packet) for kic, kid, counter, packet in given]
    for _ in range(2):
        same(fields(unwrap_ours(kept)), unwrap_bare(given), "response packets")
    return paired(
        per_cpu_second(partial(unwrap_ours, kept), CARDS),
        per_cpu_second(partial(unwrap_bare, given), CARDS),
        rounds=ROUNDS,
    )


def _protect() -> Figures:
    chance = random.Random(SEED)  # noqa: S311 - test keys
    aid = bytes.fromhex("A0000005591010FFFFFFFF8900001000")
    given = [
        (chance.randbytes(16), chance.randbytes(16), chance.randbytes(8), number, chance.randbytes(PROFILE_BYTES))
        for number in range(PROFILES)
    ]

    def ours() -> list[list[bytes]]:
        made = (
            scp03t.protect(
                scp03t.StaticKeys(enc, mac),
                key_version=0x30,
                host_challenge=host,
                sequence_counter=counter,
                isdp_aid=aid,
                plaintext=plain,
            )
            for enc, mac, host, counter, plain in given
        )
        return [[one.initialize_update, one.external_authenticate, *one.segments] for one in made]

    def bare() -> list[list[bytes]]:
        return [
            bare_scp03t.protect(enc, mac, 0x30, host, counter, aid, plain, scp03t.MAX_SEGMENT)
            for enc, mac, host, counter, plain in given
        ]

    same(ours(), bare(), "protected packages")
    return paired(per_cpu_second(ours, PROFILES), per_cpu_second(bare, PROFILES), rounds=ROUNDS)


BENCHMARKS = (
    Benchmark("scp80_wrap", "packets/CPU-s", 0.8, _wrap),
    Benchmark("scp80_unwrap", "packets/CPU-s", 0.8, _unwrap),
    Benchmark("scp80_wrap_cached", "packets/CPU-s", 1.5, _wrap_cached),
    Benchmark("scp80_unwrap_cached", "packets/CPU-s", 1.5, _unwrap_cached),
    Benchmark("scp03t_protect", "profiles of 30 kB/CPU-s", 0.8, _protect),
)
