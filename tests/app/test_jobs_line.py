"""Who is next, how many may wait, and how long that takes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.jobs import Busy, Job, Probe, Progress
from app.jobs.attempts import Attempts
from app.jobs.line import EACH, MOST, Line
from app.jobs.times import TYPICAL, Times

AT = Progress("queued", "mac", "A text")
JOB = Job("mac", "A text of some length.", "A text")


def emptied(line: Line) -> list[str]:
    return [run for _ in range(len(line)) if (run := line.take()) is not None]


def test_somebody_who_asks_for_one_thing_waits_for_one_of_another_s_fifty() -> None:
    line = Line()
    for k in range(50):
        line.put(f"many {k}", "A")
    assert line.take() == "many 0"
    line.put("one", "B")
    line.put("two", "B")
    assert emptied(line)[:4] == ["one", "many 1", "two", "many 2"]


def test_a_hundred_people_come_in_their_order() -> None:
    line = Line()
    for k in range(100):
        line.put(str(k), f"person {k}")
    assert emptied(line) == [str(k) for k in range(100)]
    assert line.take() is None


@given(some.lists(some.tuples(some.sampled_from("ABC"), some.booleans()), max_size=60))
def test_nobody_has_a_second_turn_before_all_who_waited_have_had_one(steps: list[tuple[str, bool]]) -> None:
    line, waiting = Line(), {}
    for k, (person, take) in enumerate(steps):
        if take and waiting:
            said = line.order()
            run = line.take()
            assert run == said[0]
            del waiting[run]
        else:
            line.put(str(k), person)
            waiting[str(k)] = person
    assert set(line.order()) == set(waiting)
    people = set(waiting.values())
    first = [waiting[run] for run in emptied(line)]
    own = {person: [k for k, who in enumerate(first) if who == person] for person in people}
    for person, places in own.items():
        gaps = [second - one for one, second in pairwise(places)]
        assert all(gap <= 2 * len(people) for gap in [places[0] + 1, *gaps]), (person, first)


def test_one_of_a_line_can_leave_it() -> None:
    line = Line()
    line.put("a", "A")
    line.put("b", "A")
    assert (line.drop("a"), line.drop("a"), line.order()) == (True, False, ["b"])


def begun(attempts: Attempts, person: str) -> int:
    """How many jobs of this person are taken before one is refused, of 100."""
    for k in range(100):
        try:
            attempts.refuse(person)
        except Busy:
            return k
        attempts.add(f"{person} {k}", JOB, person, AT, 2.0)
    return 100


def test_one_person_of_fifty_jobs_and_a_hundred_people_of_one_are_told_the_limit() -> None:
    attempts = Attempts()
    assert begun(attempts, "A") == EACH
    with pytest.raises(Busy, match=rf"You have {EACH} runs waiting or going, .* cancel one"):
        attempts.refuse("A")
    for k in range(MOST - EACH):
        attempts.refuse(f"person {k}")
        attempts.add(str(k), JOB, f"person {k}", AT, 2.0)
    with pytest.raises(Busy, match=rf"{MOST} runs are waiting .* Try again in about 2 s"):
        attempts.refuse("the next")
    attempts.refuse("")  # the server's own, which shows a newcomer something
    attempts.add("its own", JOB, "", AT, 2.0)


def test_what_ended_counts_no_more_and_its_text_is_not_held() -> None:
    attempts = Attempts()
    begun(attempts, "A")
    for known in attempts.live():
        assert isinstance(known.job, Job)
        assert known.job.text == ""
    attempts.live()[0].progress = Progress("cancelled", "mac", "A text")
    attempts.refuse("A")


def test_how_long_a_job_takes_is_expected_from_what_was_measured() -> None:
    times = Times()
    text = "x" * 30_000
    assert times.seconds(Job("mac", text, "t")) == pytest.approx(10_000 / TYPICAL["cpu"])
    facts = {"checkpoint": "mac", "device": "cpu", "tokens": 1_000, "seconds": 1.0, "bytes": 1}
    times.learn(facts)
    assert times.seconds(Job("mac", text, "t")) == pytest.approx(10.0)
    probe = Probe("recall", "a" * 32, "mac", "t")
    assert times.seconds(probe) is None
    times.learn(facts | {"seconds": 7.0}, "recall")
    assert times.seconds(probe) == 7.0
