"""Figures of several ranks as tables for people. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from live_avatar.bench.multi_cases import FIRST_PICTURE_BARS, Case

Result = Mapping[str, Any]

_HEAD = (
    f"  {'cards':>5} {'cut':9} {'frames/s':>9} {'H.264':>7} {'of N x 1':>8} {'simulated':>9} {'off by':>7} "
    f"{'first, s':>8} {'p50/p95/p99, ms':>19} {'of 1/N':>7}"
)


def result_lines(result: Result) -> Iterator[str]:
    """One way: what was measured, predicted from the parts, and planned beforehand."""
    measured, predicted, planned = result["measured"], result["predicted"], result["planned"]
    yield result["summary"]
    for part in result["parts"]:
        items = ", ".join(f"{each:.1f}" for each in part["item_ms"]) or "none"
        yield (
            f"  rank {part['rank']} alone: items {items} ms, prefill {part['prefill_ms']:.0f} ms, "
            f"beyond {part['begin_ms']:.1f} ms a block, weights "
            f"{part['weights_gb']:.2g} GB (planned {part['planned_weights_gb']:.2g}), keys and values "
            f"{part['cache_gb']:.2g} GB, peak {part['peak_gb']:.1f} GB"
        )
    encode = "" if result["encode_ms"] is None else f", compressing {result['encode_ms']:.1f} ms"
    yield f"  decoding {result['decode_ms']:.1f} ms{encode}"
    yield f"  {'':22}{'measured':>10}{'predicted':>11}{'off by':>8}{'planned':>10}"
    for name, words in (("fps", "frames/s"), *((name, f"period {name}, ms") for name in ("p50", "p95", "p99"))):
        yield _row(words, measured[name], predicted[name], planned[name], 1)
    yield _row("first picture, s", measured["first_picture"], predicted["first_picture"], planned["first_picture"], 2)
    if measured["encoded"] is not None and result["predicted_encoded"] is not None:
        encoded = result["predicted_encoded"]["fps"]
        yield _row("frames/s with H.264", measured["encoded"]["fps"], encoded, planned["fps"], 1)
    memory = [f"{held:.1f}" for held in measured["memory_gb"] if held is not None]
    if memory:
        yield f"  GB of tensors on each card: {', '.join(memory)}"
    if "long" in measured:
        yield from _long_lines(measured["long"])


def case_lines(case: Case, results: Sequence[Result]) -> Iterator[str]:
    """All ways of a case under each other, and what of it is held to a bar."""
    yield f"\n{case.words()}"
    yield _HEAD
    alone = next((result["measured"]["fps"] for result in results if result["ranks"] == 1), None)
    for result in results:
        yield _summary_line(result, alone)
    for result in results:
        ranks, measured = result["ranks"], result["measured"]
        bar = case.bar(ranks)
        if bar is not None and result["name"] == "best" and measured["encoded"] is not None:
            found = measured["encoded"]["fps"]
            yield f"  bar on H200, {ranks} cards: {bar:g} frames/s with H.264: {_verdict(found >= bar)}"
        first = FIRST_PICTURE_BARS.get(ranks)
        if first is not None and (case.size, case.limit, result["name"]) == ((704, 384), None, "best"):
            words = _verdict(measured["first_picture"] <= first)
            yield f"  bar on H200, {ranks} cards: first picture, warm, within {first:g} s: {words}"


def loss_lines(found: Result) -> Iterator[str]:
    """A rank that was killed."""
    yield f"\nrank {found['killed']} of {found['ranks']} killed"
    yield f"  the take ended after {found['seconds']:.1f} s: {found['what']} [{found['code']}]"
    yield f"  {found['why']}"
    named = "named" if found["named"] else "NOT NAMED"
    yield f"  the rank is {named}; {found['processes_left']} of its processes are left"
    same = "bit for bit" if found["largest_difference"] == 0 else f"to within {found['largest_difference']:.2g}"
    yield (
        f"  went on from the saved state on {found['resumed_on']} after {found['resumed_seconds']:.1f} s, loading and "
        f"all; latents equal {same}"
    )


def trace_lines(facts: Result, path: str) -> Iterator[str]:
    """What a picture of two blocks shows."""
    shares = ", ".join(
        f"rank {rank} {busy:.0%} ({waits:.0%} waiting)"
        for rank, (busy, waits) in enumerate(zip(facts["busy"], facts["waits"], strict=True))
    )
    yield f"\n{facts['blocks']} blocks in {facts['seconds'] * 1000:.0f} ms, {facts['cut']}; busy: {shares}; {path}"
    yield (
        f"  the simulator with the times that these acts took: {facts['simulated_fps']:.1f} frames/s, measured "
        f"{facts['fps']:.1f}: off by {facts['simulated_fps'] / facts['fps'] - 1:+.1%}"
    )


def _summary_line(result: Result, alone: float | None) -> str:
    measured, predicted, ranks = result["measured"], result["predicted"], result["ranks"]
    encoded = "-" if measured["encoded"] is None else f"{measured['encoded']['fps']:.1f}"
    share = "-" if alone is None else f"{measured['fps'] / (ranks * alone):.0%}"
    shares = [each for each in result["held"]["of_even_share"] if each is not None]
    held = f"{max(shares):.2f}" if shares else "-"
    periods = "/".join(f"{measured[name]:.0f}" for name in ("p50", "p95", "p99"))
    return (
        f"  {ranks:5} {result['name']:9} {measured['fps']:9.1f} {encoded:>7} {share:>8} {predicted['fps']:9.1f} "
        f"{predicted['fps'] / measured['fps'] - 1:+7.1%} {measured['first_picture']:8.2f} {periods:>19} {held:>7}"
    )


def _long_lines(found: Result) -> Iterator[str]:
    yield (
        f"  {found['blocks']} blocks: period p50 {found['p50']:.1f} ms, p95 {found['p95']:.1f}, "
        f"p99 {found['p99']:.1f}: p99 is {found['p99_over_p50']:.2f} x p50"
    )
    grown = [f"rank {rank} {each:+.2%}" for rank, each in enumerate(found["grown"]) if each is not None]
    if grown:
        yield f"  memory of tensors after its first quarter: {', '.join(grown)}"


def _row(words: str, measured: float, predicted: float, planned: float, digits: int) -> str:
    off = predicted / measured - 1
    return f"  {words:22}{measured:10.{digits}f}{predicted:11.{digits}f}{off:+8.1%}{planned:10.{digits}f}"


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"
