"""A secret has no text form, no comparison, no copies, and an end."""

from __future__ import annotations

import copy
import pickle

import pytest

from ferryman.secure.secret import Secret

VALUE = b"\x4b" * 16


def test_it_is_revealed_only_on_demand() -> None:
    secret = Secret(VALUE)
    assert secret.reveal() == VALUE
    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert "K" not in text
        assert "4b" not in text.lower()


def test_it_is_not_compared_hashed_or_copied() -> None:
    secret = Secret(VALUE)
    for attempt in (
        lambda: secret == Secret(VALUE),
        lambda: secret != VALUE,
        lambda: hash(secret),
        lambda: pickle.dumps(secret),
        lambda: copy.copy(secret),
        lambda: copy.deepcopy(secret),
        lambda: len(secret),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            attempt()


def test_it_is_wiped() -> None:
    source = bytearray(VALUE)
    with Secret(source) as secret:
        buffer = secret._buffer
        assert buffer is not source
        assert not secret.closed
    assert buffer == bytes(16)
    assert secret.closed
    secret.close()
    with pytest.raises(ValueError):
        secret.reveal()
