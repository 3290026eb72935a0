from __future__ import annotations

from hosts.limits import MAX_SOURCES, Limiter, Rates


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_sender_may_burst_and_then_keeps_to_its_rate() -> None:
    clock = Clock()
    limiter = Limiter(Rates(per_source=50, burst=100), clock)
    assert sum(limiter.admits_source("a") for _ in range(500)) == 100
    clock.now += 1.0
    assert sum(limiter.admits_source("a") for _ in range(500)) == 50
    clock.now += 1000.0
    assert sum(limiter.admits_source("a") for _ in range(500)) == 100


def test_one_sender_takes_nothing_from_another() -> None:
    limiter = Limiter(Rates(), Clock())
    for _ in range(10_000):
        limiter.admits_source("loud")
    assert limiter.admits_source("quiet")


def test_all_senders_together_keep_to_the_total() -> None:
    clock = Clock()
    limiter = Limiter(Rates(total=200, total_burst=300), clock)
    assert sum(limiter.admits_message() for _ in range(1000)) == 300
    clock.now += 0.5
    assert sum(limiter.admits_message() for _ in range(1000)) == 100


def test_senders_that_fell_silent_are_forgotten_first() -> None:
    limiter = Limiter(Rates(burst=1, per_source=0.0), Clock())
    assert limiter.admits_source("first")
    for i in range(MAX_SOURCES):
        assert limiter.admits_source(i)
    assert not limiter.admits_source(MAX_SOURCES - 1)
    assert limiter.admits_source("first")
    assert len(limiter._sources) == MAX_SOURCES
