"""Our own schema and WSDL 1.1 documents, made from the mapping tables (SGP.02 Annexes A and B)."""

from __future__ import annotations

from functools import cache

from ferryman.codec.eis_xml import DS
from ferryman.soap_gateway.esm import extension
from ferryman.soap_gateway.esm.fields import Field, Read
from ferryman.soap_gateway.esm.functions import (
    BASE_REQUEST,
    BASE_RESPONSE,
    FUNCTIONS,
    INTERFACES,
    NAMESPACE,
    Function,
    Message,
    Style,
)
from ferryman.soap_gateway.esm.groups import (
    ADDRESS,
    EIS_FIELDS,
    EXECUTION_STATUS,
    POL2,
    PROFILE_INFO,
    RECORD,
    RULE,
    STATUS_CODE_DATA,
)
from ferryman.soap_gateway.esm.simple import DEFINED, Simple

XS = "http://www.w3.org/2001/XMLSchema"
_SHARED: tuple[tuple[str, tuple[Field, ...]], ...] = (
    (STATUS_CODE_DATA.name, STATUS_CODE_DATA.fields),
    (EXECUTION_STATUS.name, EXECUTION_STATUS.fields),
    ("BaseRequestType", BASE_REQUEST),
    ("BaseResponseType", BASE_RESPONSE),
    ("BaseNotificationType", ()),
    (ADDRESS.name, ADDRESS.fields),
    (RULE.name, RULE.fields),
    (POL2.name, POL2.fields),
    (PROFILE_INFO.name, PROFILE_INFO.fields),
    (RECORD.name, RECORD.fields),
    ("EISType", EIS_FIELDS),
)
# Types whose content is signed by the EUM, holds keys or stands in attributes: read as octets, so told by hand.
_BY_HAND = f"""
<xs:complexType name="EumSignatureType"><xs:sequence>
<xs:any namespace="{DS}" processContents="lax" maxOccurs="unbounded"/>
</xs:sequence><xs:attribute name="Id" type="xs:ID"/></xs:complexType>
<xs:complexType name="KeyComponentType">
<xs:attribute name="type" type="rps:KeyTypeCodingType" use="required"/>
<xs:attribute name="value" type="xs:hexBinary" use="required"/></xs:complexType>
<xs:complexType name="KeyType"><xs:sequence>
<xs:element name="Index" type="rps:KeyIndexType"/>
<xs:element name="KeyComponents" type="rps:KeyComponentType" maxOccurs="unbounded"/>
</xs:sequence><xs:attribute name="kcv" type="xs:hexBinary" use="required"/></xs:complexType>
<xs:complexType name="GPCertificateType"><xs:sequence>
<xs:element name="Index" type="rps:KeyIndexType"/>
<xs:element name="CaId" type="rps:ObjectIdentifierType"/>
<xs:element name="Value" type="xs:hexBinary"/></xs:sequence></xs:complexType>
<xs:complexType name="KeysetType"><xs:sequence>
<xs:element name="Version" type="rps:KeysetVersionType"/>
<xs:element name="Type" type="rps:KeysetUsageType" minOccurs="0"/>
<xs:element name="Cntr" type="xs:nonNegativeInteger" minOccurs="0"/>
<xs:choice minOccurs="0" maxOccurs="128"><xs:element name="Key" type="rps:KeyType"/>
<xs:element name="Certificate" type="rps:GPCertificateType"/></xs:choice></xs:sequence></xs:complexType>
<xs:complexType name="SecurityDomainType"><xs:sequence>
<xs:element name="Aid" type="rps:AIDType"/>
<xs:element name="Tar" type="rps:TARType" minOccurs="0" maxOccurs="unbounded"/>
<xs:element name="Sin" type="rps:hexBinary16"/><xs:element name="Sdin" type="rps:hexBinary16"/>
<xs:element name="Role" type="rps:SDRoleType"/>
<xs:element name="Keyset" type="rps:KeysetType" maxOccurs="127"/></xs:sequence></xs:complexType>
<xs:complexType name="EuiccCapabilitiesType"><xs:sequence>
<xs:element name="CattpSupport" type="xs:boolean"/>
<xs:element name="CattpVersion" type="rps:ThreeDigitVersion" minOccurs="0"/>
<xs:element name="HttpSupport" type="xs:boolean"/>
<xs:element name="HttpVersion" type="rps:ThreeDigitVersion" minOccurs="0"/>
<xs:element name="SecurePacketVersion" type="rps:ThreeDigitVersion"/>
<xs:element name="RemoteProvisioningVersion" type="rps:ThreeDigitVersion"/></xs:sequence></xs:complexType>
<xs:complexType name="EumSignedInfoType"><xs:sequence>
<xs:element name="Eid" type="rps:EIDType"/><xs:element name="Eum-id" type="rps:ObjectIdentifierType"/>
<xs:element name="ProductionDate" type="xs:dateTime"/><xs:element name="PlatformType" type="rps:String100"/>
<xs:element name="PlatformVersion" type="rps:ThreeDigitVersion"/>
<xs:element name="Isd-p-loadfile-aid" type="rps:AIDType"/><xs:element name="Isd-p-module-aid" type="rps:AIDType"/>
<xs:element name="Ecasd" type="rps:SecurityDomainType"/>
<xs:element name="EuiccCapabilities" type="rps:EuiccCapabilitiesType"/></xs:sequence></xs:complexType>
<xs:complexType name="AuditTrailType"><xs:sequence>
<xs:element name="Record" type="rps:AuditTrailRecordType" minOccurs="0" maxOccurs="unbounded"/>
</xs:sequence></xs:complexType>
<xs:complexType name="PropertyType">
<xs:attribute name="key" use="required"><xs:simpleType><xs:restriction base="xs:string">
<xs:minLength value="1"/></xs:restriction></xs:simpleType></xs:attribute>
<xs:attribute name="value" type="xs:string" use="required"/></xs:complexType>
<xs:complexType name="AdditionalPropertiesType"><xs:sequence>
<xs:element name="Property" type="rps:PropertyType" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
"""


def _element(name: str, kind: Read, occurs: str = "") -> str:
    return f'<xs:element name="{name}" type="{kind.reference}"{occurs}/>'


def _field(field: Field) -> str:
    low = "" if field.low else ' minOccurs="0"'
    occurs = low + (' maxOccurs="unbounded"' if field.many else "")
    spellings = {name: kind for name, kind in field.other.items() if not name.startswith("{") and kind.reference}
    if not spellings:
        return _element(field.name, field.kind, occurs)
    choices = "".join(_element(name, kind) for name, kind in ((field.name, field.kind), *spellings.items()))
    return f"<xs:choice{occurs}>{choices}</xs:choice>"


def _sequence(fields: tuple[Field, ...]) -> str:
    return f"<xs:sequence>{''.join(_field(field) for field in fields)}</xs:sequence>"


def _simple(kind: Simple) -> str:
    restriction = f'<xs:restriction base="{kind.base}">{kind.facets}</xs:restriction>'
    return f'<xs:simpleType name="{kind.name}">{restriction}</xs:simpleType>'


def _message(message: Message) -> str:
    extension = f'<xs:extension base="rps:{message.shape}">{_sequence(message.fields)}</xs:extension>'
    return (
        f'<xs:element name="{message.element}"><xs:complexType><xs:complexContent>{extension}'
        "</xs:complexContent></xs:complexType></xs:element>"
    )


def _messages(functions: tuple[Function, ...]) -> list[Message]:
    pairs = ((each.request, each.response) for each in functions)
    return [message for pair in pairs for message in pair if message is not None]


@cache
def schema() -> str:
    """The schema of all messages, without an XML declaration."""
    return _schema(NAMESPACE, DEFINED, _SHARED, FUNCTIONS)


@cache
def extension_schema() -> str:
    """That of the functions of v4: the same types, in its own namespace; signed parts stay in the usual one."""
    shared = (*_SHARED, *((one.name, one.fields) for one in (extension.PLMA, extension.ONC)))
    kinds = (*DEFINED, extension.OPERATION, extension.NOTIFICATION)
    whole = _schema(extension.EXTENSION, kinds, shared, extension.FUNCTIONS)
    signed = "".join(_field(one) for one in EIS_FIELDS[:2])
    foreign = f'<xs:any namespace="{NAMESPACE}" processContents="lax" minOccurs="2" maxOccurs="2"/>'
    return whole.replace(signed, foreign)


def _schema(
    target: str,
    kinds: tuple[Simple, ...],
    shared: tuple[tuple[str, tuple[Field, ...]], ...],
    functions: tuple[Function, ...],
) -> str:
    return "\n".join(
        (
            f'<xs:schema xmlns:xs="{XS}" xmlns:rps="{target}" targetNamespace="{target}"'
            ' elementFormDefault="qualified" attributeFormDefault="unqualified">',
            *(_simple(kind) for kind in kinds),
            *(f'<xs:complexType name="{name}">{_sequence(fields)}</xs:complexType>' for name, fields in shared),
            _BY_HAND.strip(),
            *(_message(message) for message in _messages(functions)),
            "</xs:schema>",
        )
    )


# interface -> (service, port) of the provider and of the side that gets callbacks and notifications.
SERVICES: dict[str, tuple[tuple[str, str], tuple[str, str] | None]] = {
    "ES1": (("ES1SmSrService", "SmSrES1Port"), None),
    "ES2": (("ES2SmDpService", "SmDpES2Port"), ("ES2MnoService", "MnoES2Port")),
    "ES3": (("ES3SmSrService", "SmSrES3Port"), ("ES3SmDpService", "SmDpES3Port")),
    "ES4": (("ES4SmSrService", "SmSrES4Port"), ("ES4MnoService", "MnoES4Port")),
    "ES4A": (("ES4ASmSrService", "SmSrES4APort"), None),
    "ES7": (
        ("ES7SmSrProviderService", "ES7SmSrProviderPort"),
        ("ES7SmSrRequesterService", "ES7SmSrRequesterPort"),
    ),
}


def _operations(interface: str, functions: tuple[Function, ...]) -> tuple[list[str], list[str]]:
    """portType operations of both sides."""
    provider: list[str] = []
    caller: list[str] = []
    for function in functions:
        if function.interface != interface:
            continue
        request = _input(function.request, function.action)
        if function.style is Style.NOTIFICATION:
            caller.append(f'<wsdl:operation name="{function.name}">{request}</wsdl:operation>')
        elif function.response is not None and function.style is Style.SYNC:
            message, action = function.response.element, function.response_action
            output = f'<wsdl:output message="tns:{message}" wsaw:Action="{action}"/>'
            provider.append(f'<wsdl:operation name="{function.name}">{request}{output}</wsdl:operation>')
        elif function.response is not None:
            provider.append(f'<wsdl:operation name="{function.name}">{request}</wsdl:operation>')
            answer = _input(function.response, function.response_action)
            caller.append(f'<wsdl:operation name="{function.name}">{answer}</wsdl:operation>')
    return provider, caller


def _input(message: Message, action: str) -> str:
    return f'<wsdl:input message="tns:{message.element}" wsaw:Action="{action}"/>'


def _binding(name: str, interface: str, functions: tuple[Function, ...], *, callbacks: bool) -> str:
    parts = [f'<wsdl:binding name="{name}Binding" type="tns:{name}">']
    parts.append('<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>')
    body = '<soap:body use="literal"/>'
    for function in functions:
        is_callback = function.style in (Style.NOTIFICATION, Style.ASYNC) if callbacks else False
        is_provided = function.style is not Style.NOTIFICATION if not callbacks else False
        if function.interface != interface or not (is_callback or is_provided):
            continue
        answers = callbacks and function.style is Style.ASYNC
        action = function.response_action if answers else function.action
        output = f"<wsdl:output>{body}</wsdl:output>" if function.style is Style.SYNC else ""
        parts.append(
            f'<wsdl:operation name="{function.name}"><soap:operation soapAction="{action}" style="document"/>'
            f"<wsdl:input>{body}</wsdl:input>{output}</wsdl:operation>"
        )
    return "".join(parts) + "</wsdl:binding>"


@cache
def wsdl(interface: str, address: str, *, v4: bool = False) -> str:
    """The WSDL of one interface whose provider is at `address`; callbacks go to `address`/callback.

    `v4`: the one of our proposal for the functions of v4.
    """
    functions = extension.FUNCTIONS if v4 else FUNCTIONS
    space = extension.EXTENSION if v4 else NAMESPACE
    types = extension_schema() if v4 else schema()
    target = f"{space}/{interface}"
    provider, caller = SERVICES[interface]
    own = tuple(each for each in functions if each.interface == interface)
    messages = "".join(
        f'<wsdl:message name="{name}"><wsdl:part name="body" element="rps:{name}"/></wsdl:message>'
        for name in (message.element for message in _messages(own))
    )
    provided, called = _operations(interface, functions)
    sides = [(provider, provided, address, False)]
    if caller is not None:
        sides.append((caller, called, f"{address}/callback", True))
    ports = "".join(
        f'<wsdl:portType name="{port}">{"".join(ops)}</wsdl:portType>' for (_, port), ops, _, _ in sides
    )
    bindings = "".join(_binding(port, interface, functions, callbacks=back) for (_, port), _, _, back in sides)
    services = "".join(
        f'<wsdl:service name="{service}"><wsdl:port name="{port}" binding="tns:{port}Binding">'
        f'<soap:address location="{where}"/></wsdl:port></wsdl:service>'
        for (service, port), _, where, _ in sides
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" '
        'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap12/" '
        'xmlns:wsaw="http://www.w3.org/2006/05/addressing/wsdl" '
        f'xmlns:rps="{space}" xmlns:tns="{target}" targetNamespace="{target}" name="{interface}">\n'
        f"<wsdl:types>{types}</wsdl:types>\n{messages}\n{ports}\n{bindings}\n{services}\n</wsdl:definitions>\n"
    )


def documents(address: str) -> dict[str, str]:
    """Every description by file name, for a provider whose interfaces are at `address`/esN."""
    found = {f"{name.lower()}.wsdl": wsdl(name, f"{address}/{name.lower()}") for name in INTERFACES}
    proposed = {each.interface for each in extension.FUNCTIONS}
    found |= {f"{name.lower()}-v4.wsdl": wsdl(name, f"{address}/{name.lower()}", v4=True) for name in proposed}
    texts = {"esim-messaging.xsd": schema(), "esim-messaging-v4.xsd": extension_schema()}
    return found | {name: f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n' for name, text in texts.items()}
