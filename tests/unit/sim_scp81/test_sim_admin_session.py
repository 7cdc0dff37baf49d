"""Order of requests and scripts in one administration session, and what a broken one leaves behind."""

from __future__ import annotations

from typing import Any

import pytest

from ferryman_sim.scp81 import (
    AdminSession,
    RequestStyle,
    ResponseParser,
    ResumeState,
    ScriptResult,
    ServerAnswer,
)
from ferryman_sim.scp81.session import Next
from shared_data import vectors

TARGET = bytes.fromhex("A0000005591010FFFFFFFF8900001300")


class Card:
    """Counts what it executes."""

    def __init__(self, results: list[ScriptResult] | None = None) -> None:
        self.executed: list[tuple[bytes | None, bytes]] = []
        self.results = results or []
        self.delivered = 0

    def run(self, target: bytes | None, script: bytes) -> ScriptResult:
        self.executed.append((target, script))
        if self.results:
            return self.results[len(self.executed) - 1]
        return ScriptResult("ok", b"answer to " + script)

    def note(self) -> None:
        self.delivered += 1


def session(card: Card, **changes: Any) -> AdminSession:
    arguments: dict[str, Any] = {
        "host": "sr.example.com",
        "agent": "agent",
        "first_uri": "/first",
        "on_script": card.run,
        "on_delivered": card.note,
        "style": RequestStyle(content_length=True),
        "notification": None,
        "resume": None,
    }
    return AdminSession(**{**arguments, **changes})


def script(text: bytes, next_uri: str | None = "/next") -> ServerAnswer:
    return ServerAnswer(200, next_uri, TARGET, text)


DONE = ServerAnswer(204, None, None, None)


@pytest.mark.parametrize("vector", vectors("sgp02_session"), ids=lambda vector: str(vector["id"]))
def test_real_sessions(vector: dict[str, Any]) -> None:
    steps = [(step["sender"], bytes.fromhex(step["http"])) for step in vector["input"]["steps"]]
    own = [data for sender, data in steps if sender == "euicc"]
    bodies = [body_of(data) for data in own[1:]]
    card = Card([ScriptResult(*pair) for pair in bodies])
    head = own[0].split(b"\r\n")
    values = dict(line.decode().split(": ", 1) for line in head[1:] if line)
    running = session(
        card,
        host=values["host"],
        agent=values["x-admin-from"],
        first_uri=head[0].split()[1].decode(),
        style=RequestStyle(lower_case_headers=True),
    )
    step = Next.POST
    for sender, data in steps:
        if sender == "euicc":
            assert step is Next.POST
            assert same_message(running.request(), data)
        else:
            found = ResponseParser().feed(data)
            assert found is not None
            step = running.take(found)
    assert len(card.executed) == len(bodies)


def body_of(data: bytes) -> tuple[str, bytes | None]:
    head, _, body = data.partition(b"\r\n\r\n")
    status = next(line.split(b": ")[1] for line in head.split(b"\r\n") if b"script-status" in line)
    content = b""
    while body and not body.startswith(b"0\r\n"):
        size, _, body = body.partition(b"\r\n")
        content += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return status.decode(), content or None


def same_message(ours: bytes, theirs: bytes) -> bool:
    """The same lines in any order, the same body; the traced card cut bodies into chunks of its own sizes."""
    our_head, their_head = (data.partition(b"\r\n\r\n")[0].split(b"\r\n") for data in (ours, theirs))
    if sorted(our_head) != sorted(their_head) or our_head[0] != their_head[0]:
        return False
    return b"script-status" not in ours or body_of(ours) == body_of(theirs)


def test_script_and_end() -> None:
    card = Card()
    running = session(card)
    assert b"POST /first HTTP/1.1" in running.request()
    assert running.take(script(b"one", "/2")) is Next.POST
    assert running.request().startswith(b"POST /2 ")
    assert running.request().endswith(b"answer to one")
    assert card.delivered == 0
    assert running.take(DONE) is Next.END
    assert (card.executed, card.delivered, running.resume) == ([(TARGET, b"one")], 1, None)


def test_last_script_without_next_uri() -> None:
    card = Card()
    running = session(card)
    assert running.take(script(b"one", None)) is Next.END
    assert (running.scripts, running.resume) == (1, None)


def test_notification_only_on_the_first_request() -> None:
    card = Card()
    running = session(card, notification=b"\xe1\x00")
    assert running.request().startswith(b"POST /first?msg=E100 ")
    running.take(script(b"confirm", "/2"))
    assert running.request().startswith(b"POST /2 ")


def test_nothing_to_resume_before_the_first_answer() -> None:
    assert session(Card()).resume is None


def test_broken_link_keeps_the_response_and_the_script_is_not_run_again() -> None:
    card = Card()
    broken = session(card)
    broken.take(script(b"one", "/2"))
    kept = broken.resume
    assert kept == ResumeState("/2", ScriptResult("ok", b"answer to one"), TARGET, b"one")
    assert ResumeState.from_dict(kept.to_dict()) == kept
    again = session(card, resume=kept)
    request = again.request()
    assert request.startswith(b"POST /2 ")
    assert b"\r\nX-Admin-Resume: true\r\n" in request
    assert request.endswith(b"answer to one")
    assert again.take(script(b"two", "/3")) is Next.POST
    assert b"Resume" not in again.request()
    assert again.take(DONE) is Next.END
    assert [body for _, body in card.executed] == [b"one", b"two"]
    assert card.delivered == 2


def test_bare_resume_answers_a_repeated_script_from_memory() -> None:
    card = Card()
    broken = session(card)
    broken.take(script(b"one", "/2"))
    again = session(card, resume=broken.resume, bare_resume=True)
    assert b"answer" not in again.request()
    assert b"Script-Status" not in again.request()
    again.take(script(b"one", "/2b"))
    assert card.delivered == 0
    assert again.request().startswith(b"POST /2b ")
    assert again.request().endswith(b"answer to one")
    again.take(DONE)
    assert (len(card.executed), again.scripts, card.delivered) == (1, 0, 1)


def test_bare_resume_runs_another_script() -> None:
    card = Card()
    broken = session(card)
    broken.take(script(b"one", "/2"))
    again = session(card, resume=broken.resume, bare_resume=True)
    again.take(script(b"two", "/3"))
    assert [body for _, body in card.executed] == [b"one", b"two"]


def test_poll_keeps_the_uri_for_a_resume() -> None:
    card = Card()
    running = session(card)
    assert running.take(ServerAnswer(204, "/later", None, None)) is Next.POLL
    assert running.request().startswith(b"POST /later ")
    kept = running.resume
    assert kept == ResumeState("/later", None)
    assert ResumeState.from_dict(kept.to_dict()) == kept
    assert b"X-Admin-Resume: true" in session(card, resume=kept).request()
    assert card.delivered == 0


@pytest.mark.parametrize(("status", "remembered"), [(404, False), (403, False), (500, True), (503, True)])
def test_errors_of_the_server(status: int, remembered: bool) -> None:
    card = Card()
    running = session(card)
    running.take(script(b"one", "/2"))
    assert running.take(ServerAnswer(status, None, None, None)) is Next.FAIL
    assert (running.resume is not None) is remembered
    assert card.delivered == 0


def test_script_that_was_not_run_has_a_status_and_no_body() -> None:
    card = Card([ScriptResult("unknown-application", None)])
    running = session(card)
    running.take(script(b"one", "/2"))
    assert running.request().endswith(b"X-Admin-Script-Status: unknown-application\r\n\r\n")
