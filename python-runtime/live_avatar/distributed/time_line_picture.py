"""A time line as an SVG picture: a row for each card, one for the encoder, a bar for each piece of work. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from live_avatar.distributed.time_line import ENCODER, Simulation, Span

_LEFT, _TOP, _ROW, _BAR = 92, 44, 30, 22
_WIDTH = 1180
# Blocks one after the other; each has a light and a dark that letters stand out from.
_COLOURS = ("#5b8ff9", "#61c9a8", "#f6bd4f", "#e8746a", "#9a7fd1", "#6dc8ec")
_PREFILL, _ENCODE, _WAIT = "#8a8f98", "#c5cad3", "#eceef2"
_LEGEND = "a colour is a block: block·step; dark edge: decoding; grey: conditions; percent: busy"
_WAITING = "; pale, low: waits for another rank"
_LEAST_LETTERS = 26
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


def time_line_svg(
    run: Simulation, begin: float = 0.0, end: float | None = None, title: str = "", rank_name: str = "card"
) -> str:
    """What every card did from ``begin`` to ``end`` seconds.

    Raises:
        ValueError: there is nothing in between.
    """
    end = min(run.done[-1], run.done[-1] if end is None else end)
    if end <= begin:
        raise ValueError("there is nothing to draw between these times")
    rows = [*range(run.ranks), *([ENCODER] if any(span.rank == ENCODER for span in run.spans) else [])]
    legend = _LEGEND + (_WAITING if any(span.work == "wait" for span in run.spans) else "")
    scale = (_WIDTH - _LEFT - 16) / (end - begin)
    height = _TOP + len(rows) * _ROW + 54
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title or 'Time line')}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" font-size="15" font-weight="600" fill="#20242c">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="{height - 10}" fill="#5a6270">{legend}</text>',
    ]
    bottom = _TOP + len(rows) * _ROW
    for second in _ticks(begin, end):
        x = _LEFT + (second - begin) * scale
        lines.append(f'<path d="M{x:.1f} {_TOP - 4}V{bottom}" stroke="#e3e6ec"/>')
        lines.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#5a6270">{second:g} s</text>')
    for index, row in enumerate(rows):
        y = _TOP + index * _ROW
        name = "encoder" if row == ENCODER else f"{rank_name} {row}"
        note = "" if row == ENCODER else f" {run.busy(row, begin, end):.0%}"
        lines.append(
            f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end" fill="#20242c">{name}'
            f'<tspan fill="#5a6270">{note}</tspan></text>'
        )
        lines += list(_bars(run, row, y, begin, end, scale))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bars(run: Simulation, row: int, y: int, begin: float, end: float, scale: float) -> Iterator[str]:
    for span in run.spans:
        if span.rank != row or span.work == "transfer" or span.end <= begin or span.start >= end:
            continue
        left = _LEFT + (max(span.start, begin) - begin) * scale
        width = (min(span.end, end) - max(span.start, begin)) * scale
        inset = {"encode": 5, "wait": 8}.get(span.work, 0)
        yield (
            f'<rect x="{left:.1f}" y="{y + inset}" width="{max(width, 0.5):.1f}" height="{_BAR - 2 * inset}" rx="2" '
            f'fill="{_colour(span)}"{_edge(span)}><title>{_words(span)}</title></rect>'
        )
        if width >= _LEAST_LETTERS and span.work not in ("encode", "wait"):
            middle = left + width / 2
            yield (
                f'<text x="{middle:.1f}" y="{y + 15}" text-anchor="middle" fill="#14171c" font-size="11" '
                f'pointer-events="none">{_letters(span)}</text>'
            )


def _colour(span: Span) -> str:
    grey = {"prefill": _PREFILL, "encode": _ENCODE, "wait": _WAIT}.get(span.work)
    return grey or _COLOURS[span.block % len(_COLOURS)]


def _edge(span: Span) -> str:
    """The decoder's bars have a dark edge."""
    edges = {"decode": ' stroke="#20242c" stroke-width="1.2"', "wait": ' stroke="#b9bec8" stroke-width="0.6"'}
    return edges.get(span.work, "")


def _letters(span: Span) -> str:
    if span.work == "pass":
        return f"{span.block}·{span.step}"
    return f"VAE {span.block}" if span.work == "decode" else "fill"


def _words(span: Span) -> str:
    what = {"pass": f"step {span.step} of block {span.block}", "prefill": f"conditions for block {span.block}"}
    what |= {"decode": f"decoding of block {span.block}", "encode": f"compressing of block {span.block}"}
    what |= {"wait": "waiting for another rank"}
    return f"{what[span.work]}, {span.start:.3f} to {span.end:.3f} s"


def _ticks(begin: float, end: float) -> Iterator[float]:
    step = next((step for step in _TICKS if (end - begin) / step <= 12), _TICKS[-1])
    index = int(begin / step)
    while index * step <= end:
        if index * step >= begin:
            yield round(index * step, 6)
        index += 1
