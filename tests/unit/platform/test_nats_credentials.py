"""Credential files of roles on NATS: who knows whose key, who may read the file, what a broken file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferryman.contracts.roles import (
    CRYPTO_SERVER,
    OPERATOR,
    REST_API,
    SM_DP,
    SM_SR,
    SOAP_GATEWAY,
    TRANSPORT_HTTPS,
    TRANSPORT_SMS,
)
from ferryman.contracts.routes import peers
from ferryman.errors import InputError
from ferryman.platform import noise
from ferryman.platform.clock import system_entropy
from ferryman.platform.nats_credentials import NAMES, PROVISIONER, load, make
from ferryman.platform.nats_layout import LANES, lane_of, server_configuration


def test_each_role_knows_exactly_those_it_speaks_with(tmp_path: Path) -> None:
    made = make(tmp_path, system_entropy)
    assert set(made) == set(NAMES)
    assert set(made[TRANSPORT_SMS].peers) == {SM_SR}
    assert set(made[TRANSPORT_HTTPS].peers) == {SM_SR, CRYPTO_SERVER}
    assert set(made[OPERATOR].peers) == {SM_SR, SM_DP, CRYPTO_SERVER, SOAP_GATEWAY, REST_API}
    assert set(made[CRYPTO_SERVER].peers) == {SM_SR, SM_DP, TRANSPORT_HTTPS, OPERATOR, REST_API}
    assert made[PROVISIONER].peers == {}
    for credential in made.values():
        for peer, key in credential.peers.items():
            assert key == noise.public_key(made[peer].private)
            assert credential.role in made[peer].peers
        assert set(credential.peers) == peers(credential.role)


def test_files_are_private_and_read_back_the_same(tmp_path: Path) -> None:
    made = make(tmp_path / "credentials", system_entropy)
    assert (tmp_path / "credentials").stat().st_mode & 0o777 == 0o700
    for role, credential in made.items():
        assert (tmp_path / "credentials" / f"{role}.credential").stat().st_mode & 0o777 == 0o600
        again = load(tmp_path / "credentials", role)
        assert (again.seed, again.peers, again.user) == (credential.seed, credential.peers, credential.user)
        assert noise.public_key(again.private) == noise.public_key(credential.private)
    assert len({credential.user for credential in made.values()}) == len(NAMES)


def test_made_again_the_keys_stay_and_a_missing_role_gets_new_ones(tmp_path: Path) -> None:
    first = make(tmp_path, system_entropy)
    (tmp_path / f"{TRANSPORT_SMS}.credential").unlink()
    second = make(tmp_path, system_entropy)
    assert second[SM_DP].seed == first[SM_DP].seed
    assert second[TRANSPORT_SMS].seed != first[TRANSPORT_SMS].seed
    assert load(tmp_path, SM_SR).peers[TRANSPORT_SMS] == noise.public_key(second[TRANSPORT_SMS].private)


def test_nothing_secret_is_shown_or_in_the_brokers_configuration(tmp_path: Path) -> None:
    made = make(tmp_path, system_entropy)
    text = server_configuration(made, listen="127.0.0.1:1", store=tmp_path / "store")
    for credential in made.values():
        for secret in (credential.seed, credential.private.private_bytes_raw().hex()):
            assert secret not in repr(credential)
            assert secret not in text
        assert credential.user in text


def test_tls_of_the_broker_is_asked_for_with_certificate_and_key(tmp_path: Path) -> None:
    made = make(tmp_path, system_entropy)
    where = {"listen": "127.0.0.1:1", "store": tmp_path}
    assert "tls {" not in server_configuration(made, **where)
    text = server_configuration(made, **where, certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")
    assert f'cert_file: "{tmp_path / "c.pem"}"' in text


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.chmod(0o644), "owner only"),
        (lambda path: path.write_text("{}"), "no credential file"),
        (lambda path: path.write_text(path.read_text().replace('"SU', '"XX')), "no credential file"),
        (
            lambda path: path.write_text(path.read_text().replace('"private": "', '"private": "zz')),
            "no credential",
        ),
        (lambda path: path.write_text(path.read_text().replace('"sm-sr"', '"sm-dp"')), "belongs to sm-dp"),
        (
            lambda path: path.write_text(path.read_text().replace('"transport-sms":', '"x":')),
            "no key of transport-sms",
        ),
    ],
)
def test_a_broken_file_is_named_and_shows_no_key(tmp_path: Path, change: object, rule: str) -> None:
    made = make(tmp_path, system_entropy)
    change(tmp_path / f"{SM_SR}.credential")  # type: ignore[operator]
    with pytest.raises(InputError, match=rule) as raised:
        load(tmp_path, SM_SR)
    assert made[SM_SR].seed[2:] not in str(raised.value)


def test_lanes_are_the_same_for_ever() -> None:
    """A lane is an agreement between processes and versions: messages on the way must not change it."""
    eids = ["89033023000000000042958430000353", "1" * 32, ""]
    assert [lane_of(eid) for eid in eids] == LANES_OF
    assert {lane_of(f"{number:032d}") for number in range(400)} == set(range(LANES))


LANES_OF = [4, 1, 0]
