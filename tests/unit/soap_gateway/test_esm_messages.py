"""Every message: written in the strict form, valid for libxml2, read back; refused where the schema refuses."""

from __future__ import annotations

import copy
import random

import pytest
from lxml import etree

import esm_samples
from esm_samples import AT, EID, ICCID, RPS
from ferryman.contracts import es2, es3, es4, es7
from ferryman.contracts.message import Body
from ferryman.contracts.status import SUCCESS
from ferryman.soap_gateway.esm import description
from ferryman.soap_gateway.esm.body import Base, decode, encode, find
from ferryman.soap_gateway.esm.fields import CONDITIONAL_MISSING, INVALID, MISSING, BodyError
from ferryman.soap_gateway.esm.functions import BY_BODY, BY_ELEMENT, FUNCTIONS, OLD_NAMESPACE, Shape, Style

SAMPLES = esm_samples.messages()
NAMES = [f"{BY_BODY[type(body)][1].element}-{number}" for number, body in enumerate(SAMPLES)]
REFERENCE = esm_samples.reference_schema()
OURS = etree.XMLSchema(etree.fromstring(description.schema()))


def base_of(body: Body) -> Base:
    match BY_BODY[type(body)][1].shape:
        case Shape.REQUEST:
            return Base(call_id="call-1", validity=3_600)
        case Shape.RESPONSE:
            period = int(getattr(body, "status").acceptable_validity) or None  # noqa: B009
            return Base(started=AT, ended=AT + 1.0, acceptable_validity=period)
        case _:
            return Base()


def test_there_is_a_sample_of_every_message_of_the_reference() -> None:
    tree = etree.parse(str(esm_samples.shared("reference/sgp02-messaging.xsd")))
    names = {str(found) for found in tree.xpath("/*/*[local-name()='element']/@name")}
    assert {BY_BODY[type(body)][1].element for body in SAMPLES} == names - {"RPSHeader", "RPSBody", "RPSMessage"}
    base = {element for element, (function, _) in BY_ELEMENT.items() if not function.space}
    assert base == names - {"RPSHeader", "RPSBody", "RPSMessage"}


@pytest.mark.parametrize("body", SAMPLES, ids=NAMES)
def test_what_we_write_is_valid_and_read_back(body: Body) -> None:
    base = base_of(body)
    element = etree.fromstring(encode(body, base))
    REFERENCE.assertValid(element)
    OURS.assertValid(element)
    read = decode(element)
    if not isinstance(body, esm_samples.es1.ES1RegisterEIS):
        assert read.base == base
    assert read.body == body


def test_register_eis_goes_on_as_the_octets_it_came_in() -> None:
    body = SAMPLES[0]
    read = decode(etree.fromstring(encode(body)))
    assert isinstance(read.body, esm_samples.es1.ES1RegisterEIS)
    assert read.body.xml == body.xml  # type: ignore[attr-defined]
    assert read.base.call_id == "call-1"


def _is_left_alone(item: etree._Element) -> bool:
    names = [str(one.tag) for one in (item, *item.iterancestors())]
    return any(word in name for name in names for word in ("Eum", "Isd-r}", "Property"))


def _changed(element: etree._Element, rng: random.Random) -> etree._Element:
    """One element lost, doubled, moved, renamed or with other text, anywhere but in signed parts."""
    changed = copy.deepcopy(element)
    places = [item for item in changed.iter() if item is not changed and not _is_left_alone(item)]
    item = rng.choice(places)
    parent = item.getparent()
    assert parent is not None
    match rng.randrange(6):
        case 0:
            parent.remove(item)
        case 1:
            item.addnext(copy.deepcopy(item))
        case 2:
            parent.insert(rng.randrange(len(parent)), item)
        case 3:
            item.tag = f"{{{RPS}}}{rng.choice(['Eid', 'Iccid', 'Message', 'Rule', 'Imsi', 'Status'])}"
        case 4:
            item.tag = "{urn:other}" + str(item.tag).rpartition("}")[2]
        case _:
            item.text = rng.choice(["", "x", "12", "-1", "true", "89", "A0", "1.2.", "2025-01-10T09:05:00Z"])
    return changed


# Where we say no and the reference yes, or the other way round, on purpose.
STRICTER = (
    "ProfileType must be given",
    "RequiredMemory",
    "InitialSequenceCounter",
    "FunctionCallIdentifier",
    "Eid",
    "has text",
)
LENIENT = (
    *("FallbackAttribute", "SubscriptionAddress", "State", "AllocatedMemory", "pol2", "Keyset"),
    *("RemainingMemory", "AvailableMemoryForProfiles", "Smsr-id", "Isd-r"),
)


@pytest.mark.parametrize("body", SAMPLES, ids=NAMES)
def test_what_libxml2_refuses_we_refuse(body: Body) -> None:
    rng = random.Random(NAMES[SAMPLES.index(body)])
    element = etree.fromstring(encode(body, base_of(body)))
    if isinstance(body, esm_samples.es1.ES1RegisterEIS):
        return
    for _ in range(60):
        changed = _changed(element, rng)
        valid = REFERENCE.validate(changed)
        error = "" if valid else str(REFERENCE.error_log.last_error)
        refusal = _refusal(changed)
        if refusal:
            assert not valid or any(word in refusal for word in STRICTER), etree.tostring(changed)
        else:
            assert valid or any(name in error for name in LENIENT), (error, etree.tostring(changed))


def _refusal(element: etree._Element) -> str:
    try:
        decode(element)
    except BodyError as problem:
        return str(problem)
    return ""


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ("<Iccid>8988101000000000014</Iccid>", "Iccid", MISSING),
        ("<Eid>89001012012341234012345678901224</Eid>", "Eid", MISSING),
        ("<FunctionCallIdentifier>call-1</FunctionCallIdentifier>", "FunctionCallIdentifier", MISSING),
    ],
)
def test_a_missing_element_is_named(change: str, field: str, code: str) -> None:
    text = encode(es4.ES4EnableProfile(eid=EID, iccid=ICCID), Base(call_id="call-1")).replace(change, "")
    with pytest.raises(BodyError) as caught:
        decode(etree.fromstring(text))
    assert (caught.value.field, caught.value.code) == (field, code)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (EID, EID.encode().hex()),  # the EID as hexadecimal of its digits, as one vendor sends it
        (EID, EID[:-1]),
        ("call-1", " "),
        ("call-1", "x" * 151),
        ("3600", "0"),
        ("3600", "1e3"),
        (ICCID, "9088101000000000014"),
    ],
)
def test_bad_values_are_invalid(old: str, new: str) -> None:
    text = encode(es4.ES4EnableProfile(eid=EID, iccid=ICCID), Base(call_id="call-1", validity=3_600))
    with pytest.raises(BodyError) as caught:
        decode(etree.fromstring(text.replace(old, new)))
    assert caught.value.code == INVALID


def test_download_needs_a_profile() -> None:
    text = encode(es2.ES2DownloadProfile(eid=EID, smsr_id="1.2", iccid=ICCID), Base(call_id="c"))
    with pytest.raises(BodyError) as caught:
        decode(etree.fromstring(text.replace(f"<Iccid>{ICCID}</Iccid>", "")))
    assert caught.value.code == CONDITIONAL_MISSING


def test_both_spellings_of_the_timestamp() -> None:
    for kind in (es3.ES3HandleSMSRChangeNotification, es2.ES2HandleProfileEnabledNotification):
        body = next(sample for sample in SAMPLES if isinstance(sample, kind))
        text = encode(body)
        other = text.replace("ompletionTimestamp", "OMPLETION").replace("cOMPLETION", "CompletionTimestamp")
        other = other.replace("COMPLETION", "completionTimestamp")
        assert other != text
        assert decode(etree.fromstring(other)).body == body


def test_authenticate_smsr_with_an_eis() -> None:
    body = es7.ES7AuthenticateSMSR(eid=EID, certificate=b"\x7f\x21")
    handover = encode(es7.ES7HandoverEUICC(eis=esm_samples.eis()), Base(call_id="c"))
    eis = handover[handover.index("<Eis>") : handover.index("</Eis>") + 6]
    text = encode(body, Base(call_id="c")).replace(f"<Eid>{EID}</Eid>", eis)
    REFERENCE.assertValid(etree.fromstring(text))
    assert decode(etree.fromstring(text)).body == body


def test_an_iccid_is_read_without_its_padding() -> None:
    text = encode(es4.ES4EnableProfile(eid=EID, iccid=ICCID), Base(call_id="c")).replace(ICCID, ICCID + "F")
    assert decode(etree.fromstring(text)).body == es4.ES4EnableProfile(eid=EID, iccid=ICCID)


def test_a_comment_does_not_cut_a_value() -> None:
    from ferryman.soap_gateway.esm.document import parse

    text = encode(es4.ES4EnableProfile(eid=EID, iccid=ICCID), Base(call_id="c"))
    cut = text.replace(ICCID, ICCID[:10] + "<!-- x -->" + ICCID[10:])
    assert decode(parse(cut.encode())).body == es4.ES4EnableProfile(eid=EID, iccid=ICCID)


def test_keys_of_an_isd_r_are_not_taken_over() -> None:
    document = next(text for text in esm_samples.reference_xml() if text.startswith("<Eis"))
    request = f'<ES7-HandoverEUICCRequest xmlns="{RPS}"><FunctionCallIdentifier>c</FunctionCallIdentifier>'
    body = decode(etree.fromstring(f"{request}{document}</ES7-HandoverEUICCRequest>")).body
    assert isinstance(body, es7.ES7HandoverEUICC)
    assert body.eis.isdr is not None
    assert [keyset.version for keyset in body.eis.isdr.keysets] == [1]
    assert "00112233445566778899" not in encode(body, Base(call_id="c"))


def test_other_names_of_the_signature_become_ours() -> None:
    text = encode(es4.ES4GetEISResponse(status=SUCCESS, eis=esm_samples.eis()))
    root = etree.fromstring(text)
    signature = root.find(f".//{{{RPS}}}EumSignature")
    assert signature is not None
    signature.tag = "{http://www.w3.org/2000/09/xmldsig#}Signature"
    read = decode(root).body
    again = etree.fromstring(encode(read))
    REFERENCE.assertValid(again)
    children = [
        [str(item.tag) for item in tree.iter("{http://www.w3.org/2000/09/xmldsig#}*")] for tree in (root, again)
    ]
    assert children[0][1:] == children[1]


def test_the_older_namespace() -> None:
    text = encode(es4.ES4EnableProfile(eid=EID, iccid=ICCID), Base(call_id="c"), target=OLD_NAMESPACE)
    element = etree.fromstring(text)
    assert find(element) is not None
    assert find(element, (RPS,)) is None
    assert decode(element).body == es4.ES4EnableProfile(eid=EID, iccid=ICCID)


def test_actions_and_styles() -> None:
    by_name = {function.qualified: function for function in FUNCTIONS}
    assert by_name["ES3.ProfileDownloadCompleted"].action == (
        "http://gsma.com/ES3/ProfileManagement/ES3-ProfileDownloadedCompletedRequest"
    )
    assert (
        by_name["ES3.CreateISDP"].response_action == "http://gsma.com/ES3/ProfileManagementCallBack/ES3-CreateISDP"
    )
    assert by_name["ES2.GetEIS"].response_action == "http://gsma.com/ES2/DataPreparation/ES2-GetEISResponse"
    assert by_name["ES7.HandoverEUICC"].style is Style.ASYNC
    assert by_name["ES4.HandleSMSRChangeNotification"].action == (
        "http://gsma.com/ES4/eUICCManagement/ES4-HandleSMSRChangeNotification"
    )
