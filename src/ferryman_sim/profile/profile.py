"""An installed Profile: identities, files, keys, policy rules and the USIM's authentication state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .applications import Application, Instance, RemoteFileManagement, SdKey, SecurityDomain
from .authentication import NO_CONTEXT, AkaParameters, AuthenticationRefused, Authenticator
from .build import Build
from .filesystem import Directory, ElementaryFile, FileMissing, FileSystem, split_path
from .pins import PinSet, Puk

EF_ICCID = (0x2FE2,)
EF_IMSI = 0x6F07


@dataclass(frozen=True, slots=True)
class NetworkApplication:
    """A USIM, ISIM or CSIM. adf: temporary file identifier; authenticator: None for a CSIM."""

    kind: str
    aid: bytes
    adf: int
    authenticator: Authenticator | None
    cdma: bytes | None


@dataclass(slots=True, repr=False)
class Profile:
    """What `install` leaves on the card. pol1 and connectivity may be changed by the owner (ES6, ES8).

    pol1: POL1 byte (sgp02-euicc.md 7.1), 0 = no rule. connectivity: value of connectivityParameters, or None.
    memory: bytes of non-volatile memory in use. header_iccid: ICCID of the header, digits without padding.
    """

    profile_type: str
    version: tuple[int, int]
    header_iccid: str
    pol1: int
    connectivity: bytes | None
    services: frozenset[str]
    files: FileSystem
    naas: tuple[NetworkApplication, ...]
    domains: tuple[SecurityDomain, ...]
    applications: tuple[Application, ...]
    rfm: tuple[RemoteFileManagement, ...]
    memory: int
    pins: dict[tuple[int, ...], PinSet] = field(default_factory=dict)
    puks: dict[int, Puk] = field(default_factory=dict)
    _tree: dict[str, Any] | None = None  # dump of the files: nothing changes them once the Profile is installed

    @property
    def iccid(self) -> str:
        """Digits of EF ICCID, without padding."""
        return swap_nibbles(self.read_file("2FE2")).rstrip("F")

    @property
    def imsi(self) -> str | None:
        """Digits of EF IMSI of the first USIM; None without a USIM or when the file holds no IMSI."""
        usim = self._usim()
        if usim is None:
            return None
        content = self._file((usim.adf, EF_IMSI)).content
        length = content[0] if content else 0
        if not 1 <= length <= 8 or len(content) < 1 + length:
            return None
        digits = swap_nibbles(bytes(content[1 : 1 + length]))
        number = digits[1:] if digits[0] == "9" else digits[1:-1]
        return number if digits[0] in "19" and number.isdecimal() else None

    @property
    def mno_sd_keys(self) -> tuple[SdKey, ...]:
        """Keys of the MNO-SD; empty when the package has none."""
        return self.domains[0].keys if self.domains else ()

    @property
    def mno_sd(self) -> SecurityDomain | None:
        """The MNO-SD: AID in `.instance.aid`, its TARs in `.instance.tars()`."""
        return self.domains[0] if self.domains else None

    def _usim(self) -> NetworkApplication | None:
        return next((naa for naa in self.naas if naa.kind == "usim"), None)

    def _file(self, path: tuple[int, ...]) -> ElementaryFile:
        node = self.files.select(path)
        if isinstance(node, Directory):
            raise FileMissing("a directory has no content")
        return node

    def read_file(self, path: str | bytes) -> bytes:
        """Content of an EF by its path from the MF, e.g. `2FE2` or `7FD06F07`. Raises FileMissing, ValueError."""
        identifiers = split_path(bytes.fromhex(path) if isinstance(path, str) else path)
        if identifiers is None:
            raise ValueError("a path has two bytes for each file")
        return bytes(self._file(identifiers).content)

    def authenticate(self, rand: bytes, autn: bytes, aid: bytes | None = None) -> bytes:
        """USIM AUTHENTICATE in 3G context (TS 31.102 7.1.2.1): `DB 08 RES 10 CK 10 IK`, or `DC 0E AUTS`.

        rand, autn: 16 bytes. aid: application, default the first USIM. The sequence numbers advance on success.
        Raises AuthenticationRefused: 9862 when MAC-A is wrong, 6985 when there is no such application.
        """
        if aid is None:
            naa = self._usim()
        else:
            naa = next((each for each in self.naas if each.aid == aid), None)
        if naa is None or naa.authenticator is None:
            raise AuthenticationRefused(NO_CONTEXT)
        return naa.authenticator.authenticate(rand, autn)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, with all keys and the sequence number state; `from_dict` takes it back."""
        authenticators = _distinct([naa.authenticator for naa in self.naas])
        if self._tree is None:
            self._tree = self.files.dump()
        return {
            "profile_type": self.profile_type,
            "version": list(self.version),
            "header_iccid": self.header_iccid,
            "pol1": self.pol1,
            "connectivity": None if self.connectivity is None else self.connectivity.hex(),
            "services": sorted(self.services),
            "files": self._tree,
            "authenticators": [
                {"parameters": each.parameters.dump(), "sequences": list(each.sequences)}
                for each in authenticators
            ],
            "naas": [_dump_naa(naa, authenticators) for naa in self.naas],
            "domains": [
                {
                    "instance": domain.instance.dump(),
                    "keys": [key.dump() for key in domain.keys],
                    "perso_data": [item.hex() for item in domain.perso_data],
                }
                for domain in self.domains
            ],
            "applications": [
                {
                    "package": None if each.package is None else each.package.hex(),
                    "code_size": each.code_size,
                    "instances": [instance.dump() for instance in each.instances],
                }
                for each in self.applications
            ],
            "rfm": [_dump_rfm(each) for each in self.rfm],
            "memory": self.memory,
            "pins": [{"path": list(path), **pins.dump()} for path, pins in self.pins.items()],
            "puks": [[puk.reference, puk.value.hex(), puk.maximum, puk.left] for puk in self.puks.values()],
        }

    @classmethod
    def from_dict(cls, image: dict[str, Any]) -> Profile:
        """The Profile of a `to_dict`."""
        authenticators = [
            Authenticator(AkaParameters.load(each["parameters"]), list(each["sequences"]))
            for each in image["authenticators"]
        ]
        return cls(
            profile_type=image["profile_type"],
            version=(image["version"][0], image["version"][1]),
            header_iccid=image["header_iccid"],
            pol1=image["pol1"],
            connectivity=_maybe_bytes(image["connectivity"]),
            services=frozenset(image["services"]),
            files=FileSystem.load(image["files"]),
            naas=tuple(_load_naa(each, authenticators) for each in image["naas"]),
            domains=tuple(
                SecurityDomain(
                    Instance.load(each["instance"]),
                    tuple(SdKey.load(row) for row in each["keys"]),
                    tuple(map(bytes.fromhex, each["perso_data"])),
                )
                for each in image["domains"]
            ),
            applications=tuple(
                Application(
                    _maybe_bytes(each["package"]),
                    each["code_size"],
                    tuple(Instance.load(instance) for instance in each["instances"]),
                )
                for each in image["applications"]
            ),
            rfm=tuple(_load_rfm(each) for each in image["rfm"]),
            memory=image["memory"],
            pins={tuple(each["path"]): PinSet.load(each) for each in image["pins"]},
            puks={row[0]: Puk(row[0], bytes.fromhex(row[1]), row[2], row[3]) for row in image["puks"]},
        )


def profile_of(build: Build) -> Profile:
    """The Profile of a finished installation."""
    return Profile(
        profile_type=build.header.profile_type,
        version=build.header.version,
        header_iccid=build.header.iccid.hex().upper().rstrip("F"),
        pol1=build.header.pol1,
        connectivity=build.header.connectivity,
        services=build.header.services,
        files=build.tree(0),
        naas=tuple(
            NetworkApplication(
                naa.kind, naa.directory.aid or b"", naa.directory.file_id, naa.authenticator, naa.cdma
            )
            for naa in build.naas
        ),
        domains=tuple(build.domains),
        applications=tuple(build.applications),
        rfm=tuple(build.rfm),
        memory=build.used,
        pins=build.pins,
        puks=build.puks,
    )


def swap_nibbles(content: bytes) -> str:
    """Digits of a string whose low nibble comes first, upper-case hex."""
    digits = content.hex().upper()
    return "".join(digits[at + 1] + digits[at] for at in range(0, len(digits), 2))


def _distinct(found: list[Authenticator | None]) -> list[Authenticator]:
    """Without None and without repeats: a mapping element makes two applications share one authenticator."""
    kept: list[Authenticator] = []
    for each in found:
        if each is not None and not any(each is other for other in kept):
            kept.append(each)
    return kept


def _index(wanted: Authenticator | None, authenticators: list[Authenticator]) -> int | None:
    return next((at for at, each in enumerate(authenticators) if each is wanted), None)


def _dump_naa(naa: NetworkApplication, authenticators: list[Authenticator]) -> dict[str, Any]:
    return {
        "kind": naa.kind,
        "aid": naa.aid.hex(),
        "adf": naa.adf,
        "authenticator": _index(naa.authenticator, authenticators),
        "cdma": None if naa.cdma is None else naa.cdma.hex(),
    }


def _load_naa(image: dict[str, Any], authenticators: list[Authenticator]) -> NetworkApplication:
    index = image["authenticator"]
    return NetworkApplication(
        image["kind"],
        bytes.fromhex(image["aid"]),
        image["adf"],
        None if index is None else authenticators[index],
        _maybe_bytes(image["cdma"]),
    )


def _dump_rfm(rfm: RemoteFileManagement) -> dict[str, Any]:
    return {
        "aid": rfm.aid.hex(),
        "domain": None if rfm.domain is None else rfm.domain.hex(),
        "tars": [tar.hex() for tar in rfm.tars],
        "security_level": rfm.security_level,
        "adf": None if rfm.adf is None else rfm.adf.hex(),
    }


def _load_rfm(image: dict[str, Any]) -> RemoteFileManagement:
    return RemoteFileManagement(
        bytes.fromhex(image["aid"]),
        _maybe_bytes(image["domain"]),
        tuple(map(bytes.fromhex, image["tars"])),
        image["security_level"],
        _maybe_bytes(image["adf"]),
    )


def _maybe_bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
