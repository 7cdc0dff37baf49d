"""Rules of profile packages on the simulated eUICC (profile-package.md 1-5; sgp02-euicc.md 5.9, 10 rows 47-50)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim_packages as make
from ferryman_sim.profile import FileMissing, Installation, InstallOutcome, Profile, Status, install
from sim_packages import Package, content, create, element, fcp, key, path, pin, skip, tlv

FREE = 1 << 16
GOOD = Package()


def run(package: Package | bytes, **changes: Any) -> InstallOutcome:
    return install(bytes(package), **{"free_memory": FREE, **changes})


def profile(package: Package, **changes: Any) -> Profile:
    outcome = run(package, **changes)
    assert outcome.profile is not None, outcome.reason
    return outcome.profile


def refused(package: Package | bytes, status: Status, number: int | None = None, **changes: Any) -> None:
    """The installation was aborted with this status, reported for this element."""
    outcome = run(package, **changes)
    assert outcome.profile is None
    assert outcome.memory == 0
    assert outcome.statuses[-1].status == status, outcome.reason
    if number is not None:
        assert outcome.statuses[-1].identification == number
    assert outcome.response[-2:] == b"\x81\x00"


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


class TestPins:
    @pytest.mark.parametrize(
        ("package", "reference"),
        [
            (GOOD.but(pins=make.pins(pin(1, 1), number=3)), 10),
            (GOOD.but(usim_pins=b""), 129),
            (GOOD.but(puks=make.puks(1)), 129),
            (GOOD.but(puks=b""), 1),
            (GOOD.but(pins=b""), 1),
        ],
    )
    def test_missing(self, package: Package, reference: int) -> None:
        outcome = run(package)
        assert outcome.statuses[-1].status == Status.PIN_CODE_MISSING
        assert outcome.statuses[-1].information in (reference, 129)

    @pytest.mark.parametrize(
        "package",
        [
            GOOD.but(pins=make.pins(pin(1, 1), pin(10), pin(129), number=3)),
            GOOD.but(pins=make.pins(pin(1, 1), pin(10), pin(1), number=3)),
            GOOD.but(pins=make.pins(pin(1, 1), pin(9), pin(10), number=3)),
            GOOD.but(pins=make.pins(pin(1, 1, tries=0x34), pin(10), number=3)),
            GOOD.but(usim_pins=make.pins(pin(129, 129), pin(10), number=5)),
            GOOD.but(puks=make.puks(1, 1, 129)),
            GOOD.but(puks=make.puks(1, 9, 129)),
            GOOD.but(usim=make.usim(changes={2: fcp(file_id="7FD0", df_name=bytes(7), pin_status="09")})),
        ],
    )
    def test_bad_values(self, package: Package) -> None:
        refused(package, Status.BAD_VALUES)

    def test_shared_set(self) -> None:
        adf = fcp(file_id="7FD1", df_name=make.ISIM_AID, pin_status="81")
        shared = element(0xA2, tlv(0xA1, tlv(0x81, bytes.fromhex("7FD0"))), number=22)
        package = GOOD.but(after=make.usim(changes={2: adf}, number=20) + make.aka(number=21))
        refused(package, Status.PIN_CODE_MISSING)
        profile(GOOD.but(after=make.usim(changes={2: adf}, number=20) + shared + make.aka(number=21)))
        nowhere = element(0xA2, tlv(0xA1, tlv(0x81, bytes.fromhex("7FD05F70"))), number=22)
        open_adf = fcp(file_id="7FD1", df_name=make.ISIM_AID, pin_status="01")
        second = make.usim(changes={2: open_adf}, number=20)
        refused(GOOD.but(after=second + nowhere + make.aka(number=21)), Status.PIN_CODE_MISSING)

    def test_lower_directories_use_those_above(self) -> None:
        command = create(descriptor="7821", file_id="5F70", security="6F0601", pin_status="81")
        profile(GOOD.but(after=make.generic(path("7FD0"), command)))
        refused(GOOD.but(after=make.generic(path(""), command)), Status.PIN_CODE_MISSING)


class TestAka:
    @pytest.mark.parametrize(
        "bad",
        [
            make.aka(key=bytes(15)),
            make.aka(opc=bytes(15)),
            make.aka(2),
            make.aka(2, key=bytes(24), opc=bytes(32)),
            make.aka(3, key=bytes(32)),
            make.aka(rest=tlv(0xA5, tlv(0x04, bytes(6)) * 31)),
            make.aka(rest=tlv(0xA5, tlv(0x04, bytes(6)) * 31 + tlv(0x04, b"\x08" + bytes(5)))),
            make.aka_mapping(make.ISIM_AID),
            make.aka_mapping(make.USIM_AID),
        ],
    )
    def test_bad_values(self, bad: bytes) -> None:
        refused(GOOD.but(aka=bad), Status.BAD_VALUES, 6)

    @pytest.mark.parametrize("good", [make.aka(2, opc=bytes(32)), make.aka(2, key=bytes(32), opc=bytes(32))])
    def test_tuak(self, good: bytes) -> None:
        assert profile(GOOD.but(aka=good)).naas[0].authenticator is not None

    def test_unknown_algorithm(self) -> None:
        refused(GOOD.but(aka=make.aka(4)), Status.INVALID_PARAMETER, 6)

    def test_mapping_shares_keys_and_sequence_numbers(self) -> None:
        after = make.isim() + make.pins(pin(129), number=11) + make.aka_mapping(make.USIM_AID, number=12)
        found = profile(GOOD.but(after=after))
        assert found.naas[0].authenticator is found.naas[1].authenticator
        again = Profile.from_dict(found.to_dict())
        assert again.naas[0].authenticator is again.naas[1].authenticator

    def test_initial_sequence_numbers(self) -> None:
        values = [index.to_bytes(6) for index in range(32)]
        listed = tlv(0x83, bytes(6)) + tlv(0xA5, *(tlv(0x04, value) for value in values))
        device = profile(GOOD.but(aka=make.aka(rest=listed))).naas[0].authenticator
        assert device is not None
        assert device.sequences == list(range(32))
        assert device.parameters.delta == 0


LINEAR = "42210004"


class TestFiles:
    def test_usim_defaults(self) -> None:
        found = profile(GOOD)
        assert found.read_file("7FD06F7E") == bytes.fromhex("FFFFFFFFFFFFFF0000FF01")
        assert found.read_file("7FD06F08") == b"\x07".ljust(33, b"\xff")
        assert found.read_file("7FD06F3B") == b"\xff" * 520
        assert found.read_file("7FD06F5B") == bytes.fromhex("F00000F00000")
        assert found.read_file("7FD06FAD") == bytes.fromhex("00000002")
        assert found.read_file("7FD06F46") == b"\x00".ljust(17, b"\xff")

    def test_second_version_of_the_usim_template(self) -> None:
        found = profile(GOOD.but(usim=make.usim(template=make.oid(4, 2))))
        assert len(found.read_file("7FD06F38")) == 17

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            (fcp(size="06", proprietary=tlv(0xC1, b"\x01\x02")), "010202020202"),
            (fcp(size="05", proprietary=tlv(0xC2, b"\x01\x02")), "0102010201"),
            (fcp(size="02", proprietary=tlv(0xC1, b"\x01\x02\x03")), "0102"),
            (fcp(size="04") + skip(1) + content("AA") + skip(1) + content("BB"), "FFAAFFBB"),
            (fcp(size="04") + content("AA") + content("BB"), "AABBFFFF"),
            (fcp(size="04", proprietary=tlv(0xC2, b"\x00")) + skip(2) + skip(1) + content("BB"), "000000BB"),
            (fcp(size="0C"), "FFFFFFFFFFFFFF0000FF01FF"),
            (fcp(size="03"), "FFFFFF"),
            (fcp(descriptor=LINEAR, size="08", proprietary=tlv(0xC1, b"\x00\xff")), "00FFFFFF00FFFFFF"),
            (
                fcp(descriptor=LINEAR, size="08", proprietary=tlv(0xC2, b"\x01\x02\x03")) + content("AA"),
                "AA02030101020301",
            ),
        ],
    )
    def test_content_of_loci(self, fields: bytes, expected: str) -> None:
        found = profile(GOOD.but(usim=make.usim(changes={20: fields})))
        assert found.read_file("7FD06F7E").hex().upper() == expected

    def test_new_record_length_keeps_the_number_of_records(self) -> None:
        found = profile(GOOD.but(usim=make.usim(changes={9: fcp(descriptor="4221001C")})))
        assert len(found.read_file("7FD06F3B")) == 20 * 28

    def test_do_not_create(self) -> None:
        found = profile(GOOD.but(usim=make.usim(changes={20: tlv(0x80)})))
        with pytest.raises(FileMissing):
            found.read_file("7FD06F7E")

    def test_do_not_create_has_no_effect_under_the_mf(self) -> None:
        assert profile(GOOD.but(mf=make.mf(changes={3: tlv(0x80)}))).read_file("2F05") == b"\xff\xff"

    @pytest.mark.parametrize(
        "fields",
        [
            content("AA" * 12),
            skip(11) + content("AA"),
            fcp(size="00"),
            fcp(descriptor=LINEAR, size="06"),
            fcp(descriptor="4122"),
            fcp(descriptor="412100"),
            fcp(descriptor="42210000", size="04"),
            fcp(descriptor="7821"),
            fcp(df_name=bytes(7)),
            fcp(pin_status="01"),
            fcp(short_id="0B"),
            fcp(short_id="00"),
            fcp(proprietary=tlv(0xC1, b"\x00") + tlv(0xC2, b"\x00")),
            fcp(proprietary=tlv(0xC0, b"\x01")),
            fcp(size="0004"),
            fcp(size="010000"),
            fcp(file_id="6FAD"),
            fcp(link="7FD0"[:2]),
            fcp(link="7FD06F99"),
            tlv(0x80) + content("00"),
            fcp(descriptor="7921", size="20") + skip(1) + content("00"),
            fcp(descriptor="7921", size="20", proprietary=tlv(0xC1, b"\x00")),
        ],
    )
    def test_bad_values(self, fields: bytes) -> None:
        refused(GOOD.but(usim=make.usim(changes={20: fields})), Status.BAD_VALUES)

    @pytest.mark.parametrize(
        "fields",
        [
            fcp(size="0B", proprietary=tlv(0x86, b"\x10")),
            tlv(0x84, b""),
            tlv(0xA1, tlv(0x8F, b"")),
            tlv(0xA1, tlv(0x83, bytes(2)), tlv(0x82, b"\x41\x21")),
        ],
    )
    def test_unknown_components(self, fields: bytes) -> None:
        refused(GOOD.but(usim=make.usim(changes={20: fields})), Status.INVALID_PARAMETER, 4)

    def test_maximum_size_since_3_0(self) -> None:
        fields = fcp(descriptor="7921", size="20", proprietary=tlv(0x86, b"\x40")) + content("AA")
        found = profile(GOOD.but(header=make.header((3, 0)), usim=make.usim(changes={20: fields})))
        assert found.read_file("7FD06F7E") == b"\xaa"

    @pytest.mark.parametrize("missing", [3, 4, 8, 13, 14, 18, 22])
    def test_fields_that_must_be_there(self, missing: int) -> None:
        refused(GOOD.but(usim=make.usim(changes={missing: b""})), Status.INVALID_REQUEST_FORMAT, 4)

    @pytest.mark.parametrize("which", [3, 8, 18])
    def test_content_that_must_be_there(self, which: int) -> None:
        refused(GOOD.but(usim=make.usim(changes={which: fcp(life_cycle="05")})), Status.BAD_VALUES, 4)

    @pytest.mark.parametrize(
        "directory",
        [
            fcp(df_name=make.USIM_AID, pin_status="01"),
            fcp(file_id="7FD0", pin_status="01"),
            fcp(file_id="7FD0", df_name=make.USIM_AID),
            fcp(file_id="7FD0", df_name=make.USIM_AID, pin_status="01", size="01"),
            fcp(file_id="7FD0", df_name=make.USIM_AID, pin_status="01", short_id="08"),
            fcp(file_id="2FE2", df_name=make.USIM_AID, pin_status="01"),
            content("00"),
        ],
    )
    def test_control_parameters_of_the_adf(self, directory: bytes) -> None:
        refused(GOOD.but(usim=make.usim(changes={2: directory})), Status.BAD_VALUES, 4)

    def test_links(self) -> None:
        linked = fcp(link="7FD06F07")
        found = profile(GOOD.but(usim=make.usim(changes={20: linked})))
        assert found.read_file("7FD06F7E") == found.read_file("7FD06F07")
        circle = GOOD.but(usim=make.usim(changes={20: fcp(link="7FD06F7E")}))
        refused(circle, Status.BAD_VALUES)

    def test_not_by_default_template_makes_only_what_is_listed(self) -> None:
        files = (tlv(0xA2, fcp(pin_status="81")), tlv(0xA3, skip(8) + content("05")))
        found = profile(GOOD.but(after=element(0xB8, tlv(0x81, make.oid(7)), *files)))
        assert found.read_file("7FD05F3B4F20") == b"\xff" * 8 + b"\x05"
        with pytest.raises(FileMissing):
            found.read_file("7FD05F3B4F52")

    def test_nested_directories(self) -> None:
        files = (
            tlv(0xA2, fcp(pin_status="01")),
            tlv(0xA9, fcp(pin_status="01")),
            tlv(0xAA, fcp(descriptor="4221000A", size="0A")),
        )
        found = profile(GOOD.but(before=element(0xB2, tlv(0x81, make.oid(3)), *files)))
        assert found.read_file("7F105F504F20") == b"\x00" + b"\xff" * 9
        without = (files[0], files[2])
        again = profile(GOOD.but(before=element(0xB2, tlv(0x81, make.oid(3)), *without)))
        assert again.read_file("7F104F20")

    def test_memory_is_counted(self) -> None:
        needed = run(GOOD).memory
        profile(GOOD, free_memory=needed)
        refused(GOOD, Status.NOT_ENOUGH_MEMORY, free_memory=needed - 1)


EF = {"descriptor": "4121", "file_id": "6F99", "security": "6F0601", "size": "04"}


class TestGenericFiles:
    def test_create_select_and_fill(self) -> None:
        commands = (
            path("7FD0"),
            create(descriptor="7821", file_id="5F70", security="6F0601", pin_status="01"),
            create(**{**EF, "file_id": "4F01"}),
            tlv(0x02, b"\x01"),
            tlv(0x81, b"\xaa"),
            path("7FD05F704F01"),
            tlv(0x81, b"\xbb"),
            create(**{**EF, "file_id": "4F02"}),
        )
        found = profile(GOOD.but(after=make.generic(*commands)))
        assert found.read_file("7FD05F704F01") == bytes.fromhex("BBAAFFFF")
        assert found.read_file("7FD05F704F02") == b"\xff" * 4

    def test_creates_the_mf(self) -> None:
        master = create(descriptor="7821", file_id="3F00", security="2F0601", pin_status="010A")
        iccid = create(descriptor="4121", file_id="2FE2", security="2F0601", size="0A")
        commands = (master, iccid, tlv(0x81, bytes.fromhex("989910000000000081F5")))
        found = profile(GOOD.but(mf=make.generic(*commands)))
        assert found.iccid == "8999010000000000185"
        refused(GOOD.but(mf=make.mf() + make.generic(path(""), master)), Status.BAD_VALUES)

    def test_own_application_directory(self) -> None:
        adf = create(descriptor="7821", file_id="7FE0", df_name=bytes(7), security="2F0601", pin_status="01")
        found = profile(GOOD.but(after=make.generic(path(""), adf)))
        assert found.files.application(bytes(7)) is not None

    @pytest.mark.parametrize(
        "commands",
        [
            (path("7FD1"),),
            (path("7FD0FF"),),
            (tlv(0x81, b"\x00"),),
            (path("7FD0"), tlv(0x81, b"\x00")),
            (create(**{key: value for key, value in EF.items() if key != "size"}),),
            (create(**{key: value for key, value in EF.items() if key != "security"}),),
            (create(**{key: value for key, value in EF.items() if key != "descriptor"}),),
            (create(**{key: value for key, value in EF.items() if key != "file_id"}),),
            (create(**EF), create(**EF)),
            (create(**EF), tlv(0x81, bytes(5))),
            (create(**EF), tlv(0x02, b"\x04"), tlv(0x81, bytes(1))),
            (create(**{**EF, "descriptor": "7821"}),),
            (create(file_id="6F99", security="6F0601", link="2FE2"), tlv(0x81, bytes(1))),
            (create(file_id="6F99", security="6F0601", link="2FE3"),),
        ],
    )
    def test_bad_values(self, commands: tuple[bytes, ...]) -> None:
        refused(GOOD.but(after=make.generic(*commands)), Status.BAD_VALUES)

    def test_unknown_command(self) -> None:
        refused(GOOD.but(after=make.generic(tlv(0x8F))), Status.INVALID_PARAMETER, 10)

    def test_link_to_a_directory(self) -> None:
        commands = (create(file_id="7F99", security="6F0601", link="7FD0"),)
        found = profile(GOOD.but(after=make.generic(*commands)))
        assert found.read_file("7F996F07") == found.read_file("7FD06F07")

    def test_ber_tlv_file(self) -> None:
        made = create(descriptor="7921", file_id="6F99", security="6F0601", size="08")
        found = profile(GOOD.but(after=make.generic(made, tlv(0x81, b"\x80\x01\x05"))))
        assert found.read_file("6F99") == b"\x80\x01\x05"


class TestApplications:
    def test_keys(self) -> None:
        found = profile(GOOD)
        assert [(key.kvn, key.kid, key.value) for key in found.mno_sd_keys] == [
            (1, number, make.K) for number in (1, 2, 3)
        ]
        assert "00010203" not in repr(found.mno_sd_keys)

    @pytest.mark.parametrize(
        "domain",
        [
            make.security_domain(key(1, 1), key(1, 1)),
            make.security_domain(key(1, 1, data=bytes(15))),
            make.security_domain(key(1, 0x40, kind=0x85, data=bytes(8))),
            make.security_domain(fields=make.instance(domain=bytes(7))),
            make.security_domain() + make.security_domain(number=20),
            make.security_domain()
            + make.security_domain(number=20, fields=make.instance(bytes(7)), extra=tlv(0xA4)),
        ],
    )
    def test_bad_security_domains(self, domain: bytes) -> None:
        refused(GOOD.but(domain=domain), Status.BAD_VALUES)

    def test_second_security_domain_below_the_first(self) -> None:
        second = make.security_domain(number=20, fields=make.instance(bytes(7), make.SD_AID))
        assert len(profile(GOOD.but(after=second)).domains) == 2
        weak = make.security_domain(fields=make.instance(life_cycle=None))
        refused(GOOD.but(domain=weak, after=second), Status.INVALID_PARAMETER, 20)

    def test_rfm_reaches_an_adf(self) -> None:
        found = profile(GOOD.but(rfm=make.rfm(adf=make.USIM_AID)))
        assert found.rfm[0].adf == make.USIM_AID
        refused(GOOD.but(rfm=make.rfm(adf=make.ISIM_AID)), Status.BAD_VALUES, 8)

    def test_rfm_without_tar_list(self) -> None:
        aid = "A0000000871002FF49FF0589B0014000"
        assert profile(GOOD.but(rfm=make.rfm(aid=aid, tars=None))).rfm[0].tars == (bytes.fromhex("B00140"),)
        refused(GOOD.but(rfm=make.rfm(tars=None)), Status.BAD_VALUES, 8)
        refused(GOOD.but(rfm=make.rfm(tars=("B001",))), Status.BAD_VALUES, 8)

    def test_application(self) -> None:
        load = tlv(0xA1, tlv(0x4F, bytes(7)), tlv(0xC6, b"\x10"), tlv(0xC4, bytes(500)))
        fields = make.instance(bytes(8), make.SD_AID)
        applet = element(0xA8, load, tlv(0xA2, tlv(0x30, *fields)), number=20)
        found = profile(GOOD.but(after=applet))
        assert found.applications[0].code_size == 500
        assert found.memory > profile(GOOD).memory + 500
        assert Profile.from_dict(found.to_dict()).applications == found.applications
        refused(GOOD.but(domain=b"", rfm=b"", after=applet), Status.INVALID_REQUEST_FORMAT, 20)


class TestIot:
    def package(self, **parts: bytes) -> Package:
        files = {
            2: make.DF,
            8: fcp(file_id="7FD0", df_name=make.USIM_AID, pin_status="01"),
            9: content("080910108967452301"),
            18: content("0001"),
        }
        listed = [tlv(0xA0 + index, data) for index, data in files.items()]
        iot = element(0xBF20, tlv(0x81, make.oid(17)), *listed, number=1)
        return GOOD.but(
            **{
                "header": make.header((3, 3), templates=(make.oid(17),), extra=tlv(0xA9, tlv(0x80, bytes(7)))),
                "mf": make.puks(1),
                "puks": iot,
                "usim": b"",
                "usim_pins": b"",
                **parts,
            }
        )

    def test_minimal_profile(self) -> None:
        found = profile(self.package())
        assert (found.iccid, found.imsi) == ("8999010000000000185", "001019876543210")

    def test_options(self) -> None:
        option = element(0xBF21, tlv(0x81, make.oid(18)), tlv(0xA3, fcp(size="0370")), number=20)
        assert len(profile(self.package(after=option)).read_file("7FD06F3C")) == 880

    def test_no_mf_element(self) -> None:
        refused(self.package(mf=make.mf(number=20)), Status.INVALID_REQUEST_FORMAT, 20)


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
