"""Authentication, security domains, remote file management, applications (reference 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from ferryman.codec import tlv
from ferryman.codec.saip.elements import MILENAGE, TUAK, USIM_TEST_ALGORITHM
from ferryman.codec.saip.tree import as_choice, as_list, as_record
from ferryman.codec.saip.types import Value
from ferryman.errors import PeerError
from ferryman.profile.lint.findings import WARNING, Spot, rule
from ferryman.profile.lint.view import View, octets

PERSONALIZED = 0x0F
SQN_LIMIT = 0x07FFFFFFFFFF
"""Largest sequence number without its index (TS 33.102 C.3.2)."""

KEY_SIZES = {MILENAGE: (16,), TUAK: (16, 32), USIM_TEST_ALGORITHM: (16,)}
OPC_SIZES = {MILENAGE: (16,), TUAK: (32,)}
ALGORITHM_SERVICES = {
    MILENAGE: ("milenage",),
    TUAK: ("tuak128", "tuak256"),
    USIM_TEST_ALGORITHM: ("usim-test-algorithm",),
}
NAMES = {MILENAGE: "Milenage", TUAK: "TUAK", USIM_TEST_ALGORITHM: "the USIM test algorithm"}

DES, TLS_PSK, AES = 0x80, 0x85, 0x88
CIPHER_KEY_SIZES = {DES: (8, 16, 24), AES: (16, 24, 32)}
MIN_PSK_BYTES = 16
KEY_VERSIONS = frozenset((*range(0x01, 0x10), 0x11, *range(0x20, 0x50), *range(0x70, 0x75)))
"""SCP80 01-0F, DAP 11, SCP02 20-2F, SCP03 30-3F, SCP81 40-4F, tokens, receipts and DAP of GlobalPlatform 70-74."""

TAR_AT = slice(12, 15)
TAR_BYTES = 3
TOOLKIT = "uiccToolkitApplicationSpecificParametersField"
MENU_ENTRIES_AT = 3
"""Offset of the number of menu entries in it."""

PRIVILEGE_SIZES = (1, 3)
STORE_DATA = 0xE2


def _parameters(view: View) -> Iterator[tuple[int, dict[str, Value]]]:
    """Every algoParameter with the index of its element."""
    for index, element in view.elements("akaParameter"):
        kind, value = as_choice(element.fields["algoConfiguration"])
        if kind == "algoParameter":
            yield index, as_record(value)


@rule("aka-key-size", "3.2")
def _(view: View) -> Iterator[Spot]:
    """A key has 16 bytes, for TUAK 16 or 32."""
    for index, parameter in _parameters(view):
        key, algorithm = octets(parameter.get("key")), parameter.get("algorithmID")
        if isinstance(algorithm, int) and len(key) not in KEY_SIZES.get(algorithm, (len(key),)):
            yield Spot(index, "key", f"has {len(key)} bytes for {NAMES[algorithm]}")


@rule("aka-opc-size", "3.2")
def _(view: View) -> Iterator[Spot]:
    """OPc has 16 bytes, TOPc 32."""
    for index, parameter in _parameters(view):
        value, algorithm = octets(parameter.get("opc")), parameter.get("algorithmID")
        if isinstance(algorithm, int) and len(value) not in OPC_SIZES.get(algorithm, (len(value),)):
            yield Spot(index, "opc", f"has {len(value)} bytes for {NAMES[algorithm]}")


@rule("aka-keccak", "3.2", WARNING)
def _(view: View) -> Iterator[Spot]:
    """numberOfKeccak is for TUAK and not 0."""
    for index, parameter in _parameters(view):
        rounds = parameter.get("numberOfKeccak")
        if rounds == 0 or (rounds is not None and parameter.get("algorithmID") != TUAK):
            yield Spot(index, "numberOfKeccak", "is 0" if rounds == 0 else "is given for another algorithm")


@rule("aka-sequence-number", "3.2")
def _(view: View) -> Iterator[Spot]:
    """Sequence numbers stand without their index and are at most 07FFFFFFFFFF."""
    for index, element in view.elements("akaParameter"):
        values = [("sqnDelta", element.fields.get("sqnDelta")), ("sqnAgeLimit", element.fields.get("sqnAgeLimit"))]
        values += [("sqnInit", item) for item in as_list(element.fields.get("sqnInit", []))]
        for name, value in values:
            if int.from_bytes(octets(value)) > SQN_LIMIT:
                yield Spot(index, name, "is larger than 07FFFFFFFFFF")


@rule("aka-mapping-source", "3.2")
def _(view: View) -> Iterator[Spot]:
    """A mapping names an application with parameters of its own before it."""
    known: set[bytes] = set()
    for index, element in view.elements("akaParameter"):
        kind, value = as_choice(element.fields["algoConfiguration"])
        owner = view.application_before(index)
        if kind == "mappingParameter":
            source = octets(as_record(value).get("mappingSource"))
            if source not in known:
                yield Spot(index, "mappingSource", "no application of this AID has parameters before it")
        elif owner is not None:
            known |= {octets(file.fcp.get("dfName")) for file in view.created.get(owner, []) if file.kind == "adf"}


@rule("service-of-algorithm", "4")
def _(view: View) -> Iterator[Spot]:
    """The algorithm that is used is a mandatory service."""
    for index, parameter in _parameters(view):
        algorithm = parameter.get("algorithmID")
        if not isinstance(algorithm, int):
            continue
        names = ALGORITHM_SERVICES[algorithm]
        if algorithm == TUAK:
            names = ("tuak256",) if len(octets(parameter.get("key"))) == 32 else ("tuak128",)
        if not view.services.intersection(names):
            yield Spot(index, "algorithmID", f"{NAMES[algorithm]} is used, {names[0]} is no mandatory service")


@rule("service-unused-algorithm", "4", WARNING)
def _(view: View) -> Iterator[Spot]:
    """An algorithm that is a mandatory service is used."""
    used = {parameter.get("algorithmID") for _, parameter in _parameters(view)}
    for algorithm, names in ALGORITHM_SERVICES.items():
        for name in sorted(view.services.intersection(names)):
            if algorithm not in used:
                yield Spot(0, "eUICC-Mandatory-services", f"asks for {name}, which no PE-AKAParameter uses")


@rule("service-of-application", "4")
def _(view: View) -> Iterator[Spot]:
    """A USIM, ISIM or CSIM that is mandated is a mandatory service."""
    for index, element in view.elements("usim", "isim", "csim"):
        if element.mandated and element.name not in view.services:
            yield Spot(index, "", f"is mandated, {element.name} is no mandatory service")


@rule("service-ber-tlv", "4", WARNING)
def _(view: View) -> Iterator[Spot]:
    """A package with BER-TLV files asks for the service ber-tlv."""
    for file in view.files:
        if file.structure == 0x39 and not file.link and "ber-tlv" not in view.services:
            yield Spot(file.index, file.name, "is a BER-TLV file, ber-tlv is no mandatory service")
            return


def _domains(view: View) -> list[tuple[int, dict[str, Value]]]:
    """Index and ApplicationInstance of every security domain."""
    return [(index, as_record(element.fields["instance"])) for index, element in view.elements("securityDomain")]


@rule("sd-operator-not-extradited", "3.3")
def _(view: View) -> Iterator[Spot]:
    """The first security domain, the operator's, is not extradited."""
    for index, instance in _domains(view)[:1]:
        if "extraditeSecurityDomainAID" in instance:
            yield Spot(index, "instance.extraditeSecurityDomainAID", "stands in the first security domain")


def _only_in_the_first(component: str) -> None:
    @rule(f"sd-{component}", "3.3", text=f"Only the first security domain has {component}")
    def _(view: View) -> Iterator[Spot]:
        for index, element in list(view.elements("securityDomain"))[1:]:
            if component in element.fields:
                yield Spot(index, component, "stands in a further security domain")


for _name in ("openPersoData", "catTpParameters"):
    _only_in_the_first(_name)


def _keys(view: View) -> Iterator[tuple[int, dict[str, Value]]]:
    for index, element in view.elements("securityDomain"):
        for item in as_list(element.fields.get("keyList", [])):
            yield index, as_record(item)


def _key_name(key: dict[str, Value]) -> str:
    number, version = (octets(key.get(name)).hex().upper() for name in ("keyIdentifier", "keyVersionNumber"))
    return f"key {number} of version {version}"


@rule("sd-key-once", "3.3")
def _(view: View) -> Iterator[Spot]:
    """No key of a security domain has the identifier and version of another."""
    seen: set[tuple[int, bytes, bytes]] = set()
    for index, key in _keys(view):
        name = (index, octets(key.get("keyIdentifier")), octets(key.get("keyVersionNumber")))
        if name in seen:
            yield Spot(index, "keyList", f"{_key_name(key)} is there twice")
        seen.add(name)


@rule("sd-key-component-once", "3.3")
def _(view: View) -> Iterator[Spot]:
    """No key has two components of one type."""
    for index, key in _keys(view):
        types = [octets(as_record(one).get("keyType")) for one in as_list(key["keyCompontents"])]
        if len(set(types)) != len(types):
            yield Spot(index, "keyCompontents", f"{_key_name(key)} has two components of one type")


@rule("sd-key-version", "3.3", WARNING)
def _(view: View) -> Iterator[Spot]:
    """A key version number is one that a protocol uses."""
    for index, key in _keys(view):
        if octets(key.get("keyVersionNumber"))[0] not in KEY_VERSIONS:
            yield Spot(index, "keyVersionNumber", f"{_key_name(key)} belongs to no protocol")


@rule("sd-key-size", "3.3")
def _(view: View) -> Iterator[Spot]:
    """An AES, DES or PSK key has a size that its type allows."""
    for index, key in _keys(view):
        for item in as_list(key["keyCompontents"]):
            kind, data = octets(as_record(item).get("keyType")), as_record(item).get("keyData")
            if not isinstance(data, bytes) or len(kind) != 1:
                continue
            sizes = CIPHER_KEY_SIZES.get(kind[0])
            if (sizes and len(data) not in sizes) or (kind[0] == TLS_PSK and len(data) < MIN_PSK_BYTES):
                yield Spot(index, "keyData", f"{_key_name(key)} has {len(data)} bytes")


@rule("sd-key-type", "3.3", WARNING)
def _(view: View) -> Iterator[Spot]:
    """A key is an AES, DES or TLS-PSK key."""
    for index, key in _keys(view):
        for item in as_list(key["keyCompontents"]):
            kind = octets(as_record(item).get("keyType"))
            if kind not in (bytes((DES,)), bytes((TLS_PSK,)), bytes((AES,))):
                yield Spot(index, "keyType", f"{_key_name(key)} has the type {kind.hex().upper()}")


@rule("sd-personalisation-data", "3.3")
def _(view: View) -> Iterator[Spot]:
    """Each string of sdPersoData is one data grouping, without APDU header."""
    for index, element in view.elements("securityDomain"):
        for item in as_list(element.fields.get("sdPersoData", [])):
            try:
                groupings = len(tlv.parse_dgi(octets(item)))
            except PeerError:
                groupings = 0
            if groupings != 1:
                yield Spot(index, "sdPersoData", "holds a string that is not one data grouping")


def instances(view: View) -> Iterator[tuple[int, dict[str, Value]]]:
    """Every ApplicationInstance, those of security domains included."""
    for index, element in view.elements("securityDomain", "application"):
        if element.name == "securityDomain":
            yield index, as_record(element.fields["instance"])
        else:
            for item in as_list(element.fields.get("instanceList", [])):
                yield index, as_record(item)


@rule("instance-privileges", "3.3")
def _(view: View) -> Iterator[Spot]:
    """Privileges have one or three bytes."""
    for index, instance in instances(view):
        privileges = octets(instance.get("applicationPrivileges"))
        if len(privileges) not in PRIVILEGE_SIZES:
            yield Spot(index, "applicationPrivileges", f"have {len(privileges)} bytes")


@rule("instance-aid-unique", "4")
def _(view: View) -> Iterator[Spot]:
    """Instances and RFM applications have AIDs of their own."""
    seen: set[bytes] = set()
    found = [(index, octets(one.get("instanceAID"))) for index, one in instances(view)]
    found += [(index, octets(element.fields["instanceAID"])) for index, element in view.elements("rfm")]
    for index, aid in found:
        if aid in seen:
            yield Spot(index, "instanceAID", f"{aid.hex().upper()} is used before")
        seen.add(aid)


@rule("instance-extradition", "3.3")
def _(view: View) -> Iterator[Spot]:
    """A security domain named for extradition stands before and is PERSONALIZED."""
    ready: set[bytes] = set()
    operator = [index for index, _ in _domains(view)[:1]]
    for index, instance in instances(view):
        target = octets(instance.get("extraditeSecurityDomainAID"))
        if target and target not in ready and index not in operator:
            yield Spot(index, "extraditeSecurityDomainAID", "names no PERSONALIZED security domain before it")
        personalized = octets(instance.get("lifeCycleState")) == bytes((PERSONALIZED,))
        if personalized and view.package.elements[index].name == "securityDomain":
            ready.add(octets(instance.get("instanceAID")))


@rule("application-process-data", "3.3")
def _(view: View) -> Iterator[Spot]:
    """processData holds whole STORE DATA commands in clear."""
    for index, instance in instances(view):
        for item in as_list(instance.get("processData", [])):
            command = octets(item)
            whole = len(command) >= 5 and len(command) - 5 in (command[4], command[4] + 1)
            if not whole or command[0] & 0x84 != 0x80 or command[1] != STORE_DATA:
                yield Spot(index, "processData", "holds something that is no STORE DATA command in clear")


def _domain_known(view: View, before: int, aid: bytes) -> bool:
    return any(index < before and octets(one.get("instanceAID")) == aid for index, one in _domains(view))


@rule("application-domain", "3.3")
def _(view: View) -> Iterator[Spot]:
    """The security domain that a load package names stands before."""
    for index, element in view.elements("application"):
        aid = octets(as_record(element.fields.get("loadBlock", {})).get("securityDomainAID"))
        if aid and not _domain_known(view, index, aid):
            yield Spot(index, "loadBlock.securityDomainAID", "names no security domain before it")


@rule("rfm-domain", "3.3")
def _(view: View) -> Iterator[Spot]:
    """The security domain of PE-RFM stands before."""
    for index, element in view.elements("rfm"):
        aid = octets(element.fields.get("securityDomainAID"))
        if aid and not _domain_known(view, index, aid):
            yield Spot(index, "securityDomainAID", "names no security domain before it")


@rule("rfm-application", "3.3")
def _(view: View) -> Iterator[Spot]:
    """The ADF of PE-RFM is created before."""
    for index, element in view.elements("rfm"):
        aid = octets(as_record(element.fields.get("adfRFMAccess", {})).get("adfAID"))
        made = {octets(file.fcp.get("dfName")) for file in view.files if file.kind == "adf" and file.index < index}
        if aid and aid not in made:
            yield Spot(index, "adfRFMAccess.adfAID", "names no ADF created before it")


@rule("rfm-has-tar", "3.3")
def _(view: View) -> Iterator[Spot]:
    """Without a tarList the instance AID is long enough to give the TAR."""
    for index, element in view.elements("rfm"):
        if "tarList" not in element.fields and len(octets(element.fields["instanceAID"])) < TAR_AT.stop:
            yield Spot(index, "instanceAID", "has no TAR, and there is no tarList")


@rule("tar-unique", "4")
def _(view: View) -> Iterator[Spot]:
    """No two applications of remote management (RFM, RAM, toolkit) have the same TAR."""
    used: list[tuple[int, str, bytes]] = []
    for index, instance in instances(view):
        parameters = as_record(instance.get("applicationParameters", {}))
        used += [(index, TOOLKIT, tar) for tar in _toolkit_tars(octets(parameters.get(TOOLKIT)))]
    for index, element in view.elements("rfm"):
        listed = [octets(item) for item in as_list(element.fields.get("tarList", []))]
        own = listed or [octets(element.fields["instanceAID"])[TAR_AT]]
        used += [(index, "tarList", tar) for tar in own if tar]
    seen: set[bytes] = set()
    for index, field, tar in sorted(used, key=itemgetter(0)):
        if tar in seen:
            yield Spot(index, field, f"{tar.hex().upper()} is used before")
        seen.add(tar)


def _toolkit_tars(parameters: bytes) -> list[bytes]:
    """TARs in the UICC toolkit parameters of an instance (TS 102 226 8.2.1.3.2.2.1); none when they are cut off.

    Priority, timers, length of text, menu entries (two octets each), channels; minimum security level and TARs
    with their lengths in front.
    """
    if len(parameters) <= MENU_ENTRIES_AT:
        return []
    level_at = MENU_ENTRIES_AT + 1 + 2 * parameters[MENU_ENTRIES_AT] + 1
    tars_at = level_at + 1 + int.from_bytes(parameters[level_at : level_at + 1])
    size = int.from_bytes(parameters[tars_at : tars_at + 1])
    found = parameters[tars_at + 1 : tars_at + 1 + size]
    return [found[at : at + TAR_BYTES] for at in range(0, len(found) - TAR_BYTES + 1, TAR_BYTES)]
