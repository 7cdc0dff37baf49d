"""Differences between packages: each named by its place, secrets only said to differ."""

from __future__ import annotations

import pytest

from ferryman.codec.saip import Package, decode
from ferryman.codec.saip.tree import as_choice, as_list, as_record
from ferryman.profile.compare import Difference, differences
from ferryman.profile.demo_template import demo_template
from saip_samples import ts48


def test_nothing_differs_from_itself() -> None:
    assert differences(decode(demo_template()), decode(demo_template())) == []


def test_every_kind_of_difference_is_named() -> None:
    old, new = decode(demo_template()), decode(demo_template())
    new.header["profileType"] = "other"
    new.header["pol"] = b"\x02"
    del new.named("usim")[0].fields["ef-ad"]
    _, value = as_choice(new.named("akaParameter")[0].fields["algoConfiguration"])
    as_record(value)["key"] = bytes(15) + b"\x01"
    second = new.named("rfm")[1]
    second.fields["minimumSecurityLevel"] = b"\x06"
    assert differences(old, new) == [
        Difference("header.profileType", "Ferryman demo", "other"),
        Difference("header.pol", None, "02"),
        Difference("usim.ef-ad", "present", None),
        Difference("akaParameter.algoConfiguration.algoParameter.key", "16 bytes, hidden", "16 bytes, hidden"),
        Difference("rfm[2].minimumSecurityLevel", "16", "06"),
    ]


def test_elements_that_come_go_or_move() -> None:
    old = decode(demo_template())
    elements = list(old.elements)
    elements[2], elements[3] = elements[3], elements[2]
    moved = Package(old.version, tuple(elements))
    assert differences(old, moved) == [Difference("package", "order of elements", "another order")]
    fewer = Package((2, 1), tuple(each for each in old.elements if each.name != "rfm"))
    assert differences(old, fewer) == [
        Difference("version", "2.3", "2.1"),
        Difference("rfm", "present", None),
        Difference("rfm[2]", "present", None),
    ]
    assert differences(fewer, old)[1] == Difference("rfm", None, "present")


@pytest.mark.parametrize("file_id", ["6F08", "6FC3"])
def test_content_of_files_with_keys_is_hidden_in_generic_management_too(file_id: str) -> None:
    packages = [decode(ts48("TS48v7_SAIP2.3_BERTLV_SUCI")) for _ in range(2)]
    for number, package in enumerate(packages):
        command = as_list(as_list(package.named("genericFileManagement")[0].fields["fileManagementCMD"])[0])
        command += [("createFCP", {"fileID": bytes.fromhex(file_id)}), ("fillFileContent", bytes((0xAB, number)))]
    [found] = differences(*packages)
    assert (found.old, found.new) == ("2 bytes, hidden", "2 bytes, hidden")
