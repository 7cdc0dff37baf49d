"""Runs a command script on its target and builds the response script (TS 102 226 5.2; SGP.02 4.1 and 2.7)."""

from __future__ import annotations

from ferryman_sim.card import compact, scp03t, script
from ferryman_sim.card.addressing import ECASD_AID, ISD_R_AID
from ferryman_sim.card.apdu import (
    INS_GET_DATA,
    SW_BAD_INS,
    SW_OK,
    Apdu,
    CommandError,
    describe,
    is_error,
    read_apdu,
)
from ferryman_sim.card.audit import ecasd_object
from ferryman_sim.card.context import Context
from ferryman_sim.card.core import Core
from ferryman_sim.card.dialogue import ChainBroken, Dialogues
from ferryman_sim.card.isdp import IsdP
from ferryman_sim.card.isdr import IsdR
from ferryman_sim.card.mno_sd import enabled_mno_sd
from ferryman_sim.card.tlv import TLV

_SCP03T = {
    scp03t.INITIALIZE_UPDATE: "SCP03t InitializeUpdate",
    scp03t.EXTERNAL_AUTHENTICATE: "SCP03t ExternalAuthenticate",
    scp03t.SEGMENT: "SCP03t Segment",
}


class ScriptRunner:
    """Executes scripts one TLV at a time; `kvn` is the key version that protects the transport."""

    def __init__(self, core: Core, isdr: IsdR, dialogues: Dialogues) -> None:
        self._core = core
        self._isdr = isdr
        self._dialogues = dialogues

    def run(self, body: bytes, target: bytes, via: str, kvn: int | None) -> bytes:
        """Run one command script for a target that exists; returns the response script."""
        if self._core.fault("drop_dialogue"):
            self._dialogues.reset()
        if via == "sms" and self._core.quirk("compact_scripts") and not script.is_template(body):
            return self._run_compact(body, target, kvn)
        response = script.ResponseScript(
            definite=body[:1] != bytes([script.COMMAND_INDEFINITE]),
            sparse=self._core.quirk("few_responses"),
            counted=self._core.quirk("count_always"),
        )
        try:
            commands = script.open_script(body)
            first = commands.next()
        except script.BadFormat as error:
            response.add_bad_format(error.code)
            return response.encode()
        chaining = None
        if first is not None and first.tag == script.CHAINING:
            chaining = int.from_bytes(first.value) if len(first.value) == 1 else 0
        try:
            context = self._dialogues.choose(target, via, chaining)
        except ChainBroken as error:
            response.add_chaining_error(error.code)
            return response.encode()
        if chaining is None:
            commands.at = 0
        self._run_items(commands, target, context, via, kvn, response)
        self._dialogues.finished(target, chaining)
        self._core.commit("script")
        return response.encode()

    def _run_compact(self, body: bytes, target: bytes, kvn: int | None) -> bytes:
        """A string of bare C-APDUs: it stops at the first error, and only the last answer is told."""
        context = self._dialogues.choose(target, "sms", None)
        executed, sw, data = 0, SW_OK, b""
        try:
            for encoded in compact.commands(body):
                data, sw = self._run_apdu(encoded, target, context, "sms", kvn)
                executed += 1
                self._core.commit("command")
                if is_error(sw):
                    break
        except CommandError as error:
            sw, data = error.sw, b""
        self._dialogues.finished(target, None)
        self._core.commit("script")
        return compact.answer(executed, sw, data)

    def _run_items(
        self,
        commands: script.CommandScript,
        target: bytes,
        context: Context,
        via: str,
        kvn: int | None,
        response: script.ResponseScript,
    ) -> None:
        while True:
            try:
                item = commands.next()
                if item is None:
                    return
                if item.tag in (script.IMMEDIATE_ACTION, script.ERROR_ACTION):
                    # Proactive commands for a screen or a player; an M2M terminal has neither.
                    continue
                go_on = self._run_item(item, target, context, via, kvn, response)
            except script.BadFormat as error:
                response.add_bad_format(error.code)
                return
            self._core.commit("command")
            if not go_on:
                return

    def _run_item(
        self,
        item: TLV,
        target: bytes,
        context: Context,
        via: str,
        kvn: int | None,
        response: script.ResponseScript,
    ) -> bool:
        """Execute one command; False stops the script. Raises BadFormat for a tag the target does not know."""
        isdp = self._core.state.isdp(target)
        if item.tag == script.C_APDU:
            data, sw = self._run_apdu(item.value, target, context, via, kvn)
            response.add_response(data, sw)
            return not is_error(sw)
        if isdp is None or item.tag not in _SCP03T:
            raise script.BadFormat(script.BAD_TAG)
        name, sw_text = _SCP03T[item.tag], ""
        try:
            answer, sw_text = IsdP(self._core, isdp).execute_tlv(item, context)
            ok = True
        except scp03t.ErrorAnswer as error:
            answer = scp03t.error_answer(item.tag, error.code)
            sw_text, ok = answer.hex().upper(), False
        self._core.log(via, target, name, bytes([item.tag]), item.raw, sw_text)
        response.add_tlv(answer)
        return ok

    def _run_apdu(
        self, encoded: bytes, target: bytes, context: Context, via: str, kvn: int | None
    ) -> tuple[bytes, int]:
        name, data, sw = "APDU", b"", SW_OK
        try:
            apdu = read_apdu(encoded)
            name = describe(apdu)
            data, sw = self._execute(apdu, target, context, kvn)
        except CommandError as error:
            sw = error.sw
        self._core.log(via, target, name, encoded[:4], encoded, f"{sw:04X}")
        return data, sw

    def _execute(self, apdu: Apdu, target: bytes, context: Context, kvn: int | None) -> tuple[bytes, int]:
        if target == ISD_R_AID:
            return self._isdr.execute(apdu, context, kvn)
        isdp = self._core.state.isdp(target)
        if isdp is not None:
            return IsdP(self._core, isdp).execute(apdu, context)
        if target == ECASD_AID and apdu.ins == INS_GET_DATA:
            return ecasd_object(self._core.state, apdu.p1p2), SW_OK
        operator = enabled_mno_sd(self._core.state)
        if operator is not None and target == operator[0].aid:
            tag, cat_tp = int(self._core.quirk("pol1_tag"), 16), not self._core.quirk("cat_tp_refused")
            return operator[0].execute(apdu, tag, cat_tp=cat_tp), SW_OK
        raise CommandError(SW_BAD_INS)
