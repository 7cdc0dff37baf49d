"""Keys and codes of subscriptions that the server makes for a range."""

from __future__ import annotations

from collections.abc import Sequence

from ferryman.contracts.imports import KeyRange
from ferryman.errors import InputError
from ferryman.platform.clock import Entropy
from ferryman.profile.opc import TOP_BYTES, TUAK_KEY_SIZES, opc_from_op, topc_from_top
from ferryman.profile.slots import CODE_BYTES, KEY_BYTES
from ferryman.profile.subscriptions import pack
from ferryman.profile.subscriptions.weak import is_weak

NAMES = ("ki", "opc", "pin1", "puk1", "pin2", "puk2", "adm1", "kic", "kid", "kik")
ALGORITHMS = ("milenage", "tuak", "test", "xor")
PIN_DIGITS = 4
_DIGIT_ENTROPY = 8  # bytes behind one code: reduced to 8 digits the bias is below 1 in 10^11


def check(wanted: KeyRange, operator_value: bytes, needs: Sequence[str]) -> None:
    """Raises InputError when keys of this kind cannot be made."""
    if wanted.algorithm not in ALGORITHMS:
        raise InputError("algorithm", f"must be one of {', '.join(ALGORITHMS)}")
    sizes = TUAK_KEY_SIZES if wanted.algorithm == "tuak" else (KEY_BYTES,)
    if wanted.key_bytes not in sizes:
        raise InputError("key bytes", f"a Ki of {wanted.algorithm} has {' or '.join(map(str, sizes))} bytes")
    if operator_value and wanted.algorithm in ("test", "xor"):
        raise InputError("operator key", f"algorithm {wanted.algorithm} has none")
    size = TOP_BYTES if wanted.algorithm == "tuak" else KEY_BYTES
    if operator_value and len(operator_value) != size:
        raise InputError("operator key", f"must have {size} bytes for {wanted.algorithm}")
    for name in needs:
        if name not in NAMES:
            raise InputError("range", f"the template needs {name}, which is not made by the server")


def make(wanted: KeyRange, operator_value: bytes, count: int, entropy: Entropy) -> list[bytes]:
    """Packed secrets (values of NAMES) of `count` subscriptions."""
    return [pack(_values(wanted, operator_value, entropy)) for _ in range(count)]


def _values(wanted: KeyRange, operator_value: bytes, entropy: Entropy) -> list[bytes]:
    ki = _key(wanted.key_bytes, entropy)
    codes = [_digits(size, entropy) for size in (PIN_DIGITS, CODE_BYTES, PIN_DIGITS, CODE_BYTES, CODE_BYTES)]
    ota = [_key(KEY_BYTES, entropy) for _ in range(3)]
    return [ki, _opc(wanted, ki, operator_value, entropy), *codes, *ota]


def _opc(wanted: KeyRange, ki: bytes, operator_value: bytes, entropy: Entropy) -> bytes:
    match wanted.algorithm:
        case "milenage":
            return opc_from_op(ki, operator_value) if operator_value else entropy(KEY_BYTES)
        case "tuak":
            return topc_from_top(ki, operator_value) if operator_value else entropy(TOP_BYTES)
        case _:
            return bytes(len(ki))


def _key(size: int, entropy: Entropy) -> bytes:
    key = entropy(size)
    while is_weak(key):
        key = entropy(size)
    return key


def _digits(count: int, entropy: Entropy) -> bytes:
    number = int.from_bytes(entropy(_DIGIT_ENTROPY)) % 10**count
    return f"{number:0{count}d}".encode().ljust(CODE_BYTES, b"\xff")
