"""PINs, authentication and applications of a package (profile-package.md 3), and the IoT profile."""

from __future__ import annotations

import pytest

import sim_packages as make
from ferryman_sim.profile import Profile, Status
from sim_install import GOOD, profile, refused, run
from sim_packages import Package, content, create, element, fcp, key, path, pin, tlv


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
