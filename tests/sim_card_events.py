"""What tests of the simulated eUICC say about notifications and states."""

from __future__ import annotations

from ferryman_sim.card import Action, OpenHTTPS, Refresh, SendSMS
from sim_card_kit import Bench, image, two_profiles
from sim_card_wire import EID, ISDP2, KID, SERVER, H, enable, mac


def notified(actions: list[Action]) -> tuple[int, int, bytes]:
    """(type, sequence, ISD-P AID) of the notification in the last action; its packet is checked."""
    action = actions[-1]
    if isinstance(action, OpenHTTPS):
        assert action.notification is not None
        payload = action.notification
    else:
        assert isinstance(action, SendSMS)
        assert action.da == SERVER
        (ud,) = action.uds
        assert ud[:3] == H("027000")
        packet = ud[3:]
        assert packet[2:16] == H("1502001012000001000000000000")
        assert mac(KID, packet[:16] + packet[24:])[:8] == packet[16:24]
        payload = packet[24:]
    assert payload[:2] == H("E135")
    assert payload[2:20] == H("4C10") + H(EID)
    assert payload[20:22] == H("4D01")
    assert payload[23:25] == H("4E02")
    assert payload[27:29] == H("2F10")
    return payload[22], int.from_bytes(payload[25:27]), payload[29:45]


def states(bench: Bench) -> dict[str, int]:
    return {item["aid"][24:30]: item["state"] for item in bench.card.profiles()}


def changing(**pol1: int) -> Bench:
    """A card on which Profile 2 has just been enabled in place of Profile 1, not attached yet."""
    bench = Bench.of(image(profiles=two_profiles(**pol1)))
    assert bench.run(enable(ISDP2)) == [(b"", 0x9000)]
    assert bench.after == [Refresh()]
    return bench
