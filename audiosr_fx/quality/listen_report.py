"""A summary of listening results as lines for a terminal, as records, and as tables for a spreadsheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from audiosr_fx.quality.csv_table import csv_table
from audiosr_fx.quality.listen import Mode
from audiosr_fx.quality.listen_results import Results
from audiosr_fx.quality.listen_summary import Interval, Preference, Score, Screening, Summary

Record = dict[str, object]


def lines(summary: Summary) -> Iterator[str]:
    """The summary for people."""
    counted = "" if summary.counted == summary.participants else f" ({summary.counted} counted)"
    yield (
        f"{summary.title}: {summary.mode}, participants: {summary.participants}{counted},"
        f" items: {summary.items}, page {summary.page[:8]}"
    )
    for participant, trials in summary.unfinished:
        yield f"not finished: {participant} (trials answered: {trials})"
    for participant, sessions in summary.repeated:
        yield f"counted as one listener: {participant} (sessions: {sessions})"
    for screening in summary.screenings:
        if screening.is_excluded:
            yield _screening_line(screening)
    if summary.mode is Mode.MUSHRA:
        yield from _score_lines(summary)
    else:
        yield from _preference_lines(summary)


def _screening_line(screening: Screening) -> str:
    reasons = [f"hidden reference under 90 in {100 * screening.reference_misses:.0f} % of the trials"]
    if screening.anchor_misses > 0:
        reasons.append(f"an anchor over 90 in {100 * screening.anchor_misses:.0f} %")
    return f"fails post-screening: {screening.participant} ({'; '.join(reasons)})"


def _score_lines(summary: Summary) -> Iterator[str]:
    if not summary.scores:
        yield "nobody is left after post-screening; --keep-all counts everyone"
        return
    yield ""
    yield from _aligned(
        ["system", "mean", "95 % bootstrap", "95 % t", "median", "95 % bootstrap", "ratings"],
        [[_name(score), *_score_columns(score)] for score in summary.scores],
    )
    if summary.differences:
        yield ""
        yield from _aligned(
            ["difference", "mean", "95 % bootstrap", "95 % t", "median", "95 % bootstrap", "ratings"],
            [[f"{score.system} - {score.against}", *_score_columns(score)] for score in summary.differences],
        )


def _name(score: Score) -> str:
    return score.system if score.role == "system" else f"{score.system} ({score.role})"


def _score_columns(score: Score) -> list[str]:
    return [
        f"{score.mean:.1f}",
        _range(score.mean_bootstrap),
        _range(score.mean_t),
        f"{score.median:.1f}",
        _range(score.median_bootstrap),
        str(score.ratings),
    ]


def _preference_lines(summary: Summary) -> Iterator[str]:
    yield ""
    is_abx = summary.mode is Mode.ABX
    yield from _aligned(
        ["pair", "right" if is_abx else "preferred", "ties", "share", "95 % Wilson", "95 % exact", "p"],
        [
            [
                f"{pair.a} / {pair.b}" if is_abx else f"{pair.a} over {pair.b}",
                f"{pair.wins} of {pair.decided}",
                str(pair.ties),
                _percent(pair.share),
                _range(pair.wilson, scale=100.0),
                _range(pair.clopper_pearson, scale=100.0),
                "-" if math.isnan(pair.p_value) else f"{pair.p_value:.4f}",
            ]
            for pair in summary.preferences
        ],
    )


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


def _range(interval: Interval, scale: float = 1.0) -> str:
    low, high = interval
    return "-" if math.isnan(low) else f"{scale * low:.1f} to {scale * high:.1f}"


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as they need to be: the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()


def records(summary: Summary) -> Iterator[Record]:
    """The summary for programs: flat records, of which ``record`` says what each is about."""
    yield {
        "record": "test",
        "title": summary.title,
        "mode": str(summary.mode),
        "page": summary.page,
        "participants": summary.participants,
        "counted": summary.counted,
        "items": summary.items,
        "unfinished": [participant for participant, _ in summary.unfinished],
        "repeated": dict(summary.repeated),
    }
    for screening in summary.screenings:
        yield {
            "record": "participant",
            "participant": screening.participant,
            "trials": screening.trials,
            "reference_under_90": screening.reference_misses,
            "anchor_over_90": screening.anchor_misses,
            "is_excluded": screening.is_excluded,
        }
    yield from _rows(summary)


def _rows(summary: Summary) -> Iterator[Record]:
    for score in summary.scores:
        yield {"record": "system", **_score_record(score)}
    for score in summary.differences:
        yield {"record": "difference", **_score_record(score)}
    for pair in summary.preferences:
        yield {"record": "pair", **_pair_record(pair)}


def _score_record(score: Score) -> Record:
    return {
        "system": score.system,
        "role": str(score.role),
        "minus": score.against,
        "ratings": score.ratings,
        "mean": score.mean,
        **_bounds("mean_bootstrap", score.mean_bootstrap),
        **_bounds("mean_t", score.mean_t),
        "median": score.median,
        **_bounds("median_bootstrap", score.median_bootstrap),
    }


def _pair_record(pair: Preference) -> Record:
    return {
        "a": pair.a,
        "b": pair.b,
        "wins": pair.wins,
        "decided": pair.decided,
        "ties": pair.ties,
        "share": pair.share,
        **_bounds("wilson", pair.wilson),
        **_bounds("clopper_pearson", pair.clopper_pearson),
        "p_value": pair.p_value,
    }


def _bounds(name: str, interval: Interval) -> Record:
    return {f"{name}_low": interval[0], f"{name}_high": interval[1]}


def summary_csv(summary: Summary) -> bytes:
    """Scores and differences, or pairs, as a table in UTF-8, its text as that of :func:`answers_csv`."""
    return _table(_rows(summary))


def answers_csv(results: Iterable[Results], summary: Summary) -> bytes:
    """Every answer as a row, with columns that say whether its participant was excluded and answered all.

    Text that a spreadsheet would take for a formula, be it a listener's name, has an apostrophe before it.
    """
    failed = {screening.participant for screening in summary.screenings if screening.is_excluded}
    rows: list[Record] = []
    for result in results:
        who: Record = {
            "participant": result.participant,
            "is_excluded": result.participant in failed,
            "is_complete": result.is_complete,
        }
        for rating in result.ratings:
            role = str(result.roles[rating.system])
            rows.append(
                {
                    **who,
                    "position": rating.position,
                    "item": rating.item,
                    "system": rating.system,
                    "role": role,
                    "rating": rating.rating,
                }
            )
        for vote in result.votes:
            answer: Record = {"a": vote.a, "b": vote.b, "chosen": vote.chosen or "none"}
            if vote.x is not None:
                answer["x"] = vote.x
            rows.append({**who, "position": vote.position, "item": vote.item, **answer})
    return _table(rows)


def _table(rows: Iterable[Record]) -> bytes:
    return csv_table(rows).encode("utf-8", "backslashreplace")
