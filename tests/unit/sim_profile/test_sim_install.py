"""Header, order and support of profile elements on the simulated eUICC (profile-package.md 1, 4, 5; row 47-50)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim_packages as make
from ferryman_sim.profile import Installation, Profile, Status
from sim_install import FREE, GOOD, profile, refused, run
from sim_packages import Package, element, fcp, key, pin, tlv


def test_minimal_package() -> None:
    outcome = run(GOOD)
    assert outcome.response.hex() == "3007a0053003800100"
    found = outcome.profile
    assert found is not None
    assert (found.iccid, found.imsi, found.pol1) == ("8999010000000000185", "001019876543210", 0)
    assert found.connectivity is None
    assert found.memory == outcome.memory
    assert found.naas[0].aid == make.USIM_AID


def test_header_rules_of_the_profile() -> None:
    connectivity = bytes.fromhex("A009060791338699421 1F0".replace(" ", ""))
    found = profile(GOOD.but(header=make.header(pol=b"\x05", connectivity=connectivity)))
    assert (found.pol1, found.connectivity) == (5, connectivity)


class TestHeader:
    @pytest.mark.parametrize("version", [(1, 0), (2, 4), (3, 4), (4, 0)])
    def test_versions(self, version: tuple[int, int]) -> None:
        refused(GOOD.but(header=make.header(version)), Status.UNSUPPORTED_PROFILE_VERSION)

    @pytest.mark.parametrize("version", [(2, 0), (2, 1), (2, 3), (3, 0), (3, 3)])
    def test_known_versions(self, version: tuple[int, int]) -> None:
        profile(GOOD.but(header=make.header(version)))

    def test_versions_are_a_limit_of_the_card(self) -> None:
        package = GOOD.but(header=make.header((3, 0)))
        refused(package, Status.UNSUPPORTED_PROFILE_VERSION, limits={"versions": [[2, 3]]})

    @pytest.mark.parametrize(
        ("service", "status"),
        [(0x87, 10), (0x8C, 7), (0x98, 10), (0x9E, 10), (0x80, 10)],
    )
    def test_services(self, service: int, status: int) -> None:
        refused(GOOD.but(header=make.header(services=(service,))), Status(status))

    def test_services_out_of_order(self) -> None:
        refused(GOOD.but(header=make.header(services=(0x84, 0x81))), Status.FEATURE_NOT_SUPPORTED)

    def test_services_are_a_limit_of_the_card(self) -> None:
        refused(GOOD, Status.FEATURE_NOT_SUPPORTED, limits={"lacking_services": ["milenage"]})

    @pytest.mark.parametrize("oid", [make.oid(19), make.oid(99), make.oid(4, 3), make.oid(4, 1), b"\x2a\x03"])
    def test_templates(self, oid: bytes) -> None:
        refused(GOOD.but(header=make.header(templates=(oid,))), Status.TEMPLATE_NOT_SUPPORTED)

    def test_mandatory_libraries(self) -> None:
        entry = tlv(0x30, tlv(0x80, bytes(7)), tlv(0x81, b"\x01\x02"))
        package = GOOD.but(header=make.header(extra=tlv(0xA8, entry)))
        refused(package, Status.LIB_NOT_SUPPORTED)
        profile(package, limits={"libraries": {"00" * 7: "0102"}})

    @pytest.mark.parametrize("pol", [b"\x08", b"\x80"])
    def test_reserved_bits_of_pol1(self, pol: bytes) -> None:
        refused(GOOD.but(header=make.header(pol=pol)), Status.BAD_VALUES)

    @pytest.mark.parametrize("value", ["A300", "A100A000", "A000A000", "0601"])
    def test_connectivity(self, value: str) -> None:
        package = GOOD.but(header=make.header(connectivity=bytes.fromhex(value)))
        assert run(package).profile is None

    def test_unknown_component(self) -> None:
        refused(GOOD.but(header=make.header(extra=tlv(0x8F, b"\x00"))), Status.INVALID_PARAMETER)

    def test_iccid_has_ten_bytes(self) -> None:
        refused(GOOD.but(header=make.header(iccid=bytes(9))), Status.INVALID_REQUEST_FORMAT)

    def test_offset_is_left_out_before_2_2(self) -> None:
        bad = GOOD.but(aka=make.aka(4))
        assert run(bad).statuses[-1].offset is not None
        assert run(bad.but(header=make.header((2, 1)))).statuses[-1].offset is None


class TestOrder:
    @pytest.mark.parametrize(
        "package",
        [
            b"",
            b"\xa0",
            bytes(GOOD)[:-1],
            bytes(GOOD)[:-9],
            bytes(GOOD) + b"\x00",
            bytes(GOOD) + make.end(),
            make.mf() + bytes(GOOD),
            GOOD.header + bytes(GOOD),
            GOOD.header + make.end(),
            bytes(GOOD.but(mf=b"")),
            bytes(GOOD.but(mf=make.mf() + make.mf(number=20))),
            bytes(GOOD.but(puks=b"", before=make.puks(1, 129))),
            bytes(GOOD.but(puks=make.puks(1, 129) + make.puks(2, number=20))),
            bytes(GOOD.but(before=make.pins(pin(2), number=20))),
            bytes(GOOD.but(before=make.aka(number=20))),
            bytes(GOOD.but(aka=b"")),
            bytes(GOOD.but(aka=make.aka() + make.aka(number=20))),
            bytes(GOOD.but(aka=b"", after=make.isim())),
            bytes(GOOD.but(after=make.isim())),
            bytes(GOOD.but(domain=b"")),
            bytes(GOOD.but(domain=make.rfm(number=21) + make.security_domain())),
            bytes(GOOD.but(after=element(0xB4, tlv(0x81, make.oid(5))) * 2)),
            bytes(GOOD.but(before=element(0xB4, tlv(0x81, make.oid(5))))),
            bytes(GOOD.but(after=element(0xA5, tlv(0x81, bytes(8)), tlv(0x82, bytes(16))))),
            bytes(GOOD.but(mf=element(0xBF20, tlv(0x81, make.oid(17))))),
            bytes(GOOD.but(usim=make.usim(number=1))),
            b"\x30\x80" + bytes(8),
            b"\xa0\x85\x01\x00\x00\x00\x00",
            b"\xa0\x84\x7f\xff\xff\xff",
            GOOD.header + b"\xb0\x02\x30\x80",
            GOOD.header + b"\xb0\x81\x02\x80\x00",
            GOOD.header + element(0xB0, number=1)[:-1] + b"\xff",
        ],
    )
    def test_invalid_request_format(self, package: bytes) -> None:
        refused(package, Status.INVALID_REQUEST_FORMAT)

    def test_first_wrong_element_is_named(self) -> None:
        refused(GOOD.but(aka=make.aka() + make.aka(number=20)), Status.INVALID_REQUEST_FORMAT, 20)

    @pytest.mark.parametrize(
        ("package", "number"),
        [
            (GOOD.but(aka=b"", after=make.isim() + make.aka()), 9),
            (GOOD.but(aka=element(0xA5, tlv(0x81, bytes(8)), tlv(0x82, bytes(16)), number=20)), 20),
            (GOOD.but(end=b"\xaa\x81\x07" + make.end()[2:]), None),
            (GOOD.but(end=b"\xaa\x82\x00\x07" + make.end()[2:]), None),
        ],
    )
    def test_blame(self, package: Package, number: int | None) -> None:
        outcome = run(package)
        assert outcome.statuses[-1].status == Status.INVALID_REQUEST_FORMAT
        assert outcome.statuses[-1].identification == number

    def test_an_abort_comes_at_once(self) -> None:
        running = Installation(free_memory=FREE)
        assert running.feed(GOOD.header) is None
        assert running.feed(make.end()) is not None
        with pytest.raises(ValueError, match="over"):
            running.feed(b"")


class TestUnsupported:
    @pytest.mark.parametrize("tag", [0xA9, 0xAB, 0xAF, 0xBF22, 0xBE])
    def test_element(self, tag: int) -> None:
        refused(GOOD.but(after=element(tag, number=20)), Status.PE_NOT_SUPPORTED, 20)
        outcome = run(GOOD.but(after=element(tag, number=20, mandated=False)))
        assert outcome.profile is not None
        assert outcome.response.hex() == "300fa00d3006800101810114" + "3003800100"

    def test_element_that_is_younger_than_the_package(self) -> None:
        later = element(0xBD, tlv(0x81, make.oid(14)), tlv(0xA2, make.DF), number=20)
        refused(GOOD.but(header=make.header((2, 2)), after=later), Status.PE_NOT_SUPPORTED, 20)
        profile(GOOD.but(after=element(0xBD, tlv(0x81, make.oid(14)), tlv(0xA2, fcp(pin_status="81")))))

    def test_template(self) -> None:
        package = GOOD.but(header=make.header(templates=()), after=make.isim() + make.aka(number=12))
        limits = {"lacking_templates": ["2.23.143.1.2.8"]}
        refused(package, Status.TEMPLATE_NOT_SUPPORTED, 9, limits=limits)
        package = package.but(after=make.isim(mandated=False) + make.aka(number=12, mandated=False))
        outcome = run(package, limits=limits)
        assert [(each.status, each.identification) for each in outcome.statuses] == [(9, 9), (1, 12), (0, None)]
        assert outcome.profile is not None
        assert [naa.kind for naa in outcome.profile.naas] == ["usim"]

    def test_template_of_the_list_is_needed(self) -> None:
        refused(GOOD, Status.TEMPLATE_NOT_SUPPORTED, limits={"lacking_templates": ["2.23.143.1.2.4"]})

    def test_template_of_another_element(self) -> None:
        refused(GOOD.but(usim=make.usim(template=make.oid(8))), Status.INVALID_PARAMETER, 4)

    def test_element_that_the_card_lacks(self) -> None:
        limits = {"lacking_elements": ["rfm"]}
        refused(GOOD, Status.PE_NOT_SUPPORTED, 8, limits=limits)

    def test_options_of_a_skipped_application_are_skipped_too(self) -> None:
        package = GOOD.but(
            header=make.header(services=(), templates=()),
            usim=make.usim(mandated=False),
            usim_pins=make.pins(pin(129, 129), number=5, mandated=False),
            aka=make.aka(mandated=False),
            after=element(0xB4, tlv(0x81, make.oid(5)), number=20, mandated=False),
        )
        outcome = run(package, limits={"lacking_elements": ["usim"]})
        assert [each.identification for each in outcome.statuses] == [4, 5, 6, 20, None]
        assert outcome.profile is not None
        assert outcome.profile.imsi is None

    def test_key_type(self) -> None:
        lacking = make.security_domain(key(1, 1, kind=0xA0), number=7)
        refused(GOOD.but(domain=lacking), Status.FEATURE_NOT_SUPPORTED, 7)
        refused(GOOD, Status.FEATURE_NOT_SUPPORTED, 7, limits={"lacking_key_types": [0x88]})

    def test_second_application(self) -> None:
        adf = fcp(file_id="7FD1", df_name=make.ISIM_AID, pin_status="01")
        package = GOOD.but(after=make.usim(changes={2: adf}, number=20) + make.aka(number=21))
        assert len(profile(package).naas) == 2
        refused(package, Status.FEATURE_NOT_SUPPORTED, 20, limits={"lacking_services": ["multiple-usim"]})

    def test_unknown_limits_are_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="unknown limits"):
            run(GOOD, limits={"service": []})


PARTS = [bytes(GOOD), bytes(GOOD.but(usim=make.usim(changes={20: fcp(size="06", short_id="08")})))]


@given(st.sampled_from(PARTS), st.lists(st.tuples(st.integers(0, 800), st.integers(0, 255)), max_size=3))
def test_damaged_packages_give_an_outcome(package: bytes, damage: list[tuple[int, int]]) -> None:
    data = bytearray(package)
    for at, value in damage:
        data[at % len(data)] = value
    outcome = run(bytes(data))
    assert (outcome.profile is None) is (outcome.reason is not None)
    if outcome.profile is not None:
        Profile.from_dict(outcome.profile.to_dict())


@given(st.binary(max_size=200))
def test_any_bytes_give_an_outcome(data: bytes) -> None:
    assert run(data).profile is None
    assert run(GOOD.header + data).profile is None
