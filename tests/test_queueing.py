"""The simulated queue against what is known in closed form, and against the rules of the product's line."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from app.jobs.line import EACH, MOST
from benchmarks.queueing import AGAIN, Draw, Found, Office, simulate, smallest

FREE = 10**9  # a bound that nobody reaches


def exponential(mean: float) -> Draw:
    return lambda chance, count: [(seconds,) for seconds in chance.exponential(mean, count).tolist()]


def always(*seconds: float) -> Draw:
    return lambda chance, count: [seconds] * count


def crowd(rate: float, devices: int, length: float, people: int = 20_000) -> Office:
    """So many people that ask so seldom that what they ask for is a Poisson stream of `rate` a second."""
    free = {"each": FREE, "most": FREE, "held": FREE}
    return Office(people, people / rate, devices, warm=200, length=length, **free)


def erlang_c(load: float, servers: int) -> float:
    """The chance to wait, from Erlang's loss formula by its recursion."""
    loss = 1.0
    for n in range(1, servers + 1):
        loss = load * loss / (n + load * loss)
    return servers * loss / (servers - load * (1 - loss))


def finite_source(people: int, devices: int, think: float, mean: float) -> tuple[float, float]:
    """Mean number that wait or are served, and of those that are served: the machine-repair model."""
    weights = [1.0]
    for n in range(1, people + 1):
        weights.append(weights[-1] * (people - n + 1) * mean / think / min(n, devices))
    shares = np.array(weights) / sum(weights)
    numbers = np.arange(people + 1)
    return float(shares @ numbers), float(shares @ np.minimum(numbers, devices))


def test_erlang_s_formula_is_right_where_it_is_known() -> None:
    assert erlang_c(0.7, 1) == pytest.approx(0.7)
    assert erlang_c(1.0, 2) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("devices", "load"), [(1, 0.7), (4, 3.2), (20, 17.0)])
def test_poisson_arrivals_and_exponential_service_wait_as_erlang_says(devices: int, load: float) -> None:
    found = simulate(crowd(load, devices, length=40_000 / load), exponential(1.0), seed=3)
    chance = erlang_c(load, devices)
    wait = chance / (devices - load)
    assert found.mean_wait.value == pytest.approx(wait, rel=0.12)
    assert found.waited == pytest.approx(chance, abs=0.03)
    assert found.utilisation == pytest.approx(load / devices, rel=0.03)
    # the tail of those who wait is exponential
    late = max(0.0, math.log(chance / 0.05) / (devices - load))
    assert found.waits[95].value == pytest.approx(late, rel=0.15)


def test_fixed_service_waits_as_pollaczek_and_khinchine_say() -> None:
    found = simulate(crowd(0.8, 1, length=40_000), always(1.0), seed=4)
    assert found.mean_wait.value == pytest.approx(0.8 / (2 * (1 - 0.8)), rel=0.1)
    half = simulate(crowd(0.8, 1, length=40_000), exponential(1.0), seed=4).mean_wait.value
    assert found.mean_wait.value == pytest.approx(half / 2, rel=0.2), "half of that of exponential service"


@pytest.mark.parametrize(("people", "devices"), [(5, 1), (30, 3), (30, 30)])
def test_people_who_think_are_a_finite_source(people: int, devices: int) -> None:
    office = Office(people, 8.0, devices, each=FREE, most=FREE, warm=100, length=1_000_000 / people)
    found = simulate(office, exponential(1.0), seed=5)
    live, busy = finite_source(people, devices, 8.0, 1.0)
    assert found.live == pytest.approx(live, rel=0.03)
    assert found.utilisation * devices == pytest.approx(busy, rel=0.02)
    assert found.rate == pytest.approx(busy, rel=0.02), "a second of service each"


def test_a_share_of_people_waits_that_hangs_on_the_square_root_alone() -> None:
    """Halfin and Whitt: with load + root of the load devices, about 0.223 of all wait, however many they are."""
    at_any_size = 1 / (1 + math.sqrt(2 * math.pi) * 0.841345 * math.exp(0.5))
    for load in (25, 100):
        office = crowd(load, load + round(math.sqrt(load)), length=30_000 / load)
        assert simulate(office, exponential(1.0), seed=6).waited == pytest.approx(at_any_size, abs=0.05)


@pytest.fixture(scope="module")
def busy() -> Found:
    """Two dashboards that want more than three devices give."""
    return simulate(Office(60, 10.0, 3, dashboards=2, warm=100, length=5_000), exponential(0.5), seed=7)


def test_little_s_law_holds(busy: Found) -> None:
    assert busy.live == pytest.approx(busy.rate * busy.response, rel=0.02)


def test_a_seed_repeats_and_another_differs(busy: Found) -> None:
    office = Office(60, 10.0, 3, dashboards=2, warm=100, length=5_000)
    assert simulate(office, exponential(0.5), seed=7) == busy
    other = simulate(office, exponential(0.5), seed=8)
    assert other != busy
    assert abs(other.mean_wait.value - busy.mean_wait.value) < other.mean_wait.half + busy.mean_wait.half


def test_nobody_has_more_jobs_than_the_product_takes() -> None:
    found = simulate(Office(3, 10.0, 1, warm=0, length=5_000), always(*[0.1] * 20), seed=1)
    assert found.most[0] == EACH
    assert EACH < found.most[1] <= 3 * EACH
    assert found.refused.value == pytest.approx(8 / 20), "of twenty jobs that one asks for"
    full = simulate(Office(40, 1.0, 1, warm=0, length=2_000), always(*[1.0] * 6), seed=1)
    assert full.most == (6, MOST)
    assert full.refused.value > 0.3
    assert full.rate == pytest.approx(1.0, rel=0.05), "as many as the device can do"


def test_who_asks_for_much_lets_others_go_between() -> None:
    """One person with twelve jobs each time, and one with one: that one waits for a job or so, not for twelve."""

    def draw(chance: np.random.Generator, count: int) -> list[tuple[float, ...]]:
        return [(1.0,) * 12 if k % 2 else (1.0,) for k in range(count)]

    found = simulate(Office(2, 5.0, 1, warm=0, length=20_000), draw, seed=2)
    assert found.waits[99].value < 2.01


def test_what_the_pool_does_not_take_is_offered_again() -> None:
    """Three dashboards before four devices. One place to wait in: others come back every half second, and do begin."""
    office = Office(60, 3.6, 4, dashboards=3, warm=0, length=1_500)
    held = simulate(replace(office, held=1), exponential(0.2), seed=9)
    free = simulate(office, exponential(0.2), seed=9)
    assert free == simulate(replace(office, held=FREE), exponential(0.2), seed=9), "16 places are enough here"
    assert 0.01 < held.mean_wait.value - free.mean_wait.value < AGAIN
    assert held.utilisation == pytest.approx(free.utilisation, rel=0.02)


def test_the_fewest_devices_keep_the_promise_and_one_less_does_not() -> None:
    office = Office(100, 20.0, 3, dashboards=5, warm=100, length=1_000)
    found = smallest(office, exponential(1.0), 1, promise=2.0)
    for devices in (found.devices, found.devices - 1):
        late = simulate(replace(office, devices=devices), exponential(1.0), 1).waits[95]
        assert (late.value + late.half <= 2.0) == (devices == found.devices)
    far = replace(office, devices=20)
    assert smallest(far, exponential(1.0), 1, promise=2.0) == found, "wherever the search begins"


def test_more_devices_never_make_people_wait_longer() -> None:
    waits = [
        simulate(Office(100, 20.0, devices, dashboards=5, warm=100, length=2_000), exponential(1.0), 1).mean_wait.value
        for devices in (3, 5, 7, 10)
    ]
    assert all(less > more for less, more in pairwise(waits))


@pytest.mark.parametrize("name", ["people", "think", "devices", "dashboards", "length"])
def test_what_cannot_be_is_refused_by_name(name: str) -> None:
    values = {"people": 1, "think": 1.0, "devices": 1, "dashboards": 1, "length": 1.0}
    with pytest.raises(ValueError, match=f"{name} is 0; it must be above 0"):
        Office(**values | {name: 0})


def test_a_time_in_which_nothing_happens_is_told() -> None:
    with pytest.raises(ValueError, match="let it take longer"):
        simulate(Office(1, 1e9, 1, warm=0, length=1.0), always(1.0), 1)
