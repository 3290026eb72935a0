from __future__ import annotations

import json
import math

import numpy as np
from typer.testing import CliRunner

from audiosr_fx import bench_limiter
from audiosr_fx.limiter import TruePeakLimiter


def test_ours_does_not_overshoot_and_a_hard_clip_does() -> None:
    signals = bench_limiter.made_up_signals(1.0)
    processes = {"ours": TruePeakLimiter(-1.0), "clip": lambda audio, rate: np.clip(audio, -0.891, 0.891)}
    rows = list(bench_limiter.bench_signals(processes, signals))
    ours = [row.over_db for row in rows if row.limiter == "ours"]
    clipped = [row.over_db for row in rows if row.limiter == "clip"]
    assert len(ours) == len(clipped) == len(signals)
    assert max(ours) <= 0.05
    assert max(clipped) > 1.0


def test_a_summary_tells_transparent_from_not() -> None:
    mix = bench_limiter.made_up_signals(1.0)["dense mix"]
    ours = bench_limiter.summarize("ours", TruePeakLimiter(-1.0), [_row("ours")], mix)
    cubed = bench_limiter.summarize("cubed", lambda audio, rate: audio - audio**3 / 4, [_row("cubed")], mix)
    assert ours.changed_below_ceiling_db == -math.inf
    assert ours.bass_thd_db < -100.0
    assert cubed.changed_below_ceiling_db > -40.0
    assert cubed.bass_thd_db > -30.0
    assert ours.times_real_time > 0.0


def _row(name: str) -> bench_limiter.Row:
    return bench_limiter.Row(limiter=name, signal="dense mix", over_db=0.0, largest_step_db=0.0)


def test_the_program_prints_a_table_or_json() -> None:
    app = bench_limiter.app
    shown = CliRunner().invoke(app, ["--seconds", "1"])
    assert shown.exit_code == 0, shown.output
    for words in ("TruePeakLimiter", "worst overshoot", "THD of 60 Hz", "times real time"):
        assert words in shown.stdout
    lines = CliRunner().invoke(app, ["--seconds", "1", "--json"]).stdout.splitlines()
    worst = {row["limiter"]: row["worst_over_db"] for row in map(json.loads, lines) if "worst_over_db" in row}
    assert worst["TruePeakLimiter"] <= 0.05
    assert worst["Limiter"] > 1.0
