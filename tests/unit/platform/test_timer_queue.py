"""The timer queue against a plain dictionary as its model."""

from __future__ import annotations

import random

from ferryman.platform.timer_queue import SLACK, Timer, TimerQueue


def test_order_replacement_and_cancel() -> None:
    queue = TimerQueue()
    queue.set(Timer(5.0, "p", "a", "e"))
    queue.set(Timer(3.0, "q", "a", "e"))
    queue.set(Timer(9.0, "p", "a", "e"))
    queue.set(Timer(4.0, "p", "b", "e"))
    assert len(queue) == 3
    assert queue.next_due() == 3.0
    queue.cancel("q", "a")
    queue.cancel("q", "a")
    queue.cancel("nobody", "a")
    assert [timer.name for timer in queue.take_due(8.9)] == ["b"]
    assert queue.next_due() == 9.0
    queue.drop("p")
    assert queue.next_due() is None
    assert len(queue) == 0


def test_the_same_timer_twice_fires_once() -> None:
    queue = TimerQueue()
    queue.set(Timer(1.0, "p", "a", "e"))
    queue.set(Timer(1.0, "p", "a", "e"))
    assert len(queue.take_due(2.0)) == 1
    assert queue.take_due(2.0) == []


def test_a_timer_set_back_to_an_earlier_time_that_was_cancelled_fires_once() -> None:
    queue = TimerQueue()
    queue.set(Timer(1.0, "p", "a", "e"))
    queue.set(Timer(2.0, "p", "a", "e"))
    queue.set(Timer(1.0, "p", "a", "e"))
    assert len(queue.take_due(5.0)) == 1
    assert queue.take_due(5.0) == []
    assert len(queue) == 0


def test_ended_calls_do_not_pile_up() -> None:
    queue = TimerQueue()
    for number in range(50_000):
        queue.set(Timer(86_400.0 + number, f"p{number}", "deadline", "e"))
        if number >= 10:
            queue.drop(f"p{number - 10}")
    assert len(queue) == 10
    assert queue.size <= 2 * 10 + SLACK


def test_random_operations_match_a_dictionary(seed: int) -> None:
    chance = random.Random(seed)
    queue, model, now = TimerQueue(), {}, 0.0
    for _ in range(20_000):
        procedure, name = f"p{chance.randrange(30)}", f"n{chance.randrange(3)}"
        match chance.randrange(5):
            case 0 | 1:
                due = now + chance.randrange(1, 50)
                queue.set(Timer(due, procedure, name, "e"))
                model[procedure, name] = due
            case 2:
                queue.cancel(procedure, name)
                model.pop((procedure, name), None)
            case 3:
                queue.drop(procedure)
                model = {key: due for key, due in model.items() if key[0] != procedure}
            case _:
                now += chance.randrange(5)
                taken = [(timer.procedure_id, timer.name) for timer in queue.take_due(now)]
                expected = sorted(((due, *key) for key, due in model.items() if due <= now))
                assert taken == [(p, n) for _, p, n in expected]
                model = {key: due for key, due in model.items() if due > now}
        assert len(queue) == len(model)
        assert queue.next_due() == min(model.values(), default=None)
