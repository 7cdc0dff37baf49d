"""Files of a package on the simulated eUICC (profile-package.md 2)."""

from __future__ import annotations

import pytest

import sim_packages as make
from ferryman_sim.profile import FileMissing, Status
from sim_install import GOOD, profile, refused, run
from sim_packages import content, create, element, fcp, path, pin, skip, tlv

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

    def test_services_that_the_card_lacks_are_cleared(self) -> None:
        everything = content("FF" * 16)
        package = GOOD.but(
            usim=make.usim(changes={8: fcp(size="10") + everything}),
            after=make.isim() + make.pins(pin(129), number=11) + make.aka(number=12),
        )
        table = profile(package).read_file("7FD06F38")
        assert [number for number in range(1, 129) if not table[(number - 1) // 8] >> (number - 1) % 8 & 1] == [
            *(68, 69, 76)
        ]
        untouched = profile(package, limits={"lacking_services": []})
        assert untouched.read_file("7FD06F38") == b"\xff" * 16
        assert profile(package, limits={"lacking_services": ["get-identity"]}).read_file("7FD06F38")[15] == 0xEF

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
        commands = (made, tlv(0x81, b"\x80\x01\x05"), path("6F99"))
        found = profile(GOOD.but(after=make.generic(*commands, tlv(0x81, b"\x81\x00"))))
        assert found.read_file("6F99") == b"\x80\x01\x05\x81\x00"
        refused(GOOD.but(after=make.generic(*commands, tlv(0x81, bytes(6)))), Status.BAD_VALUES)
