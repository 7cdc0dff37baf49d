"""Commands on profile packages in files: each form into each other, differences, refusals in one sentence."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from cli_run import ferryman, one_sentence
from ferryman.codec.saip import decode
from ferryman.profile.demo_template import demo_template
from saip_samples import TS48_NAMES, ts48


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "package.der"
    path.write_bytes(demo_template())
    return path


@pytest.mark.parametrize("name", [TS48_NAMES[0], TS48_NAMES[-1]])
def test_convert_goes_round_without_loss(tmp_path: Path, name: str) -> None:
    first = tmp_path / "first"
    first.write_bytes(ts48(name))
    source = first
    for number, form in enumerate(("asn1", "yaml", "asn1", "der", "yaml", "der")):
        target = tmp_path / f"{number}.{form}"
        said = ferryman("profile", "convert", source, "--to", form, "--output", target)
        assert said.code == 0, said
        assert target.stat().st_mode & 0o777 == 0o600
        source = target
    assert source.read_bytes() == ts48(name)


def test_convert_says_what_it_wrote(package: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.yaml"
    said = ferryman("profile", "convert", package, "--to", "yaml", "--output", target, "--json")
    assert json.loads(said.out) == {"output": str(target), "form": "yaml", "bytes": target.stat().st_size}
    text = ferryman("profile", "inspect", target)
    assert "EF IMSI: 6F07" in text.out


def test_diff(package: Path, tmp_path: Path) -> None:
    same = ferryman("profile", "diff", package, package)
    assert (same.code, same.out) == (0, "")
    other = tmp_path / "other.der"
    other.write_bytes(demo_template().replace(b"Ferryman demo", b"Ferryman dem2"))
    said = ferryman("profile", "diff", package, other)
    assert (said.code, said.out) == (1, "header.profileType: Ferryman demo -> Ferryman dem2\n")
    found = json.loads(ferryman("profile", "diff", package, other, "--json").out)
    assert found == {
        "differences": [{"place": "header.profileType", "old": "Ferryman demo", "new": "Ferryman dem2"}]
    }


def test_what_cannot_be_read_or_written_is_one_sentence(package: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.der"
    broken.write_bytes(demo_template()[:-1])
    for words in (
        ("inspect", broken),
        ("inspect", tmp_path / "absent"),
        ("diff", package, broken),
        ("convert", package, "--to", "der", "--output", tmp_path / "no" / "where"),
    ):
        said = ferryman("profile", *words)
        assert said.code == 1
        assert one_sentence(said)
    assert ferryman("profile", "convert", package, "--to", "xml", "--output", tmp_path / "x").code == 2


def test_lint(package: Path, tmp_path: Path) -> None:
    """Our template by itself has placeholders for codes, which are errors in a package for a card."""
    said = ferryman("profile", "lint", package)
    assert said.code == 1
    assert "error: pinCodes (3).pinValue: of key reference 1 is not 4 to 8 digits [pin-value]" in said.out
    assert said.out.endswith("4 errors, 1 warnings\n")
    published = tmp_path / "published.der"
    published.write_bytes(ts48(TS48_NAMES[-1]))
    clean = ferryman("profile", "lint", published, "--json")
    [finding] = json.loads(clean.out)["findings"]
    assert (clean.code, finding["rule"], finding["severity"]) == (0, "acc-of-imsi", "warning")


@pytest.mark.parametrize(("old", "new"), list(itertools.pairwise(TS48_NAMES)))
def test_published_packages_beside_each_other(tmp_path: Path, old: str, new: str) -> None:
    """What differs is told by place, the same in both directions; inspect shows both; no key is printed."""
    first, second = tmp_path / "old.der", tmp_path / "new.der"
    first.write_bytes(ts48(old))
    second.write_bytes(ts48(new))
    there = ferryman("profile", "diff", first, second, "--json")
    back = ferryman("profile", "diff", second, first, "--json")
    assert there.code == back.code == 1
    turned = [(one["place"], one["new"], one["old"]) for one in back.json["differences"]]
    straight = [(one["place"], one["old"], one["new"]) for one in there.json["differences"]]
    reordered = ("package", "another order", "order of elements")  # in words, the same both ways
    turned = [reordered[:1] + reordered[:0:-1] if one == reordered else one for one in turned]
    assert sorted(straight, key=str) == sorted(turned, key=str)
    assert turned
    key = decode(ts48(old)).named("akaParameter")[0].fields["algoConfiguration"]
    secret = dict(key[1])["key"].hex()  # type: ignore[index,arg-type,union-attr]
    shown = ferryman("profile", "inspect", first)
    assert shown.code == 0
    assert "EF IMSI: 6F07" in shown.out
    for said in (shown.out, ferryman("profile", "inspect", first, "--json").out, there.out, back.out):
        assert secret.upper() not in said.upper()
