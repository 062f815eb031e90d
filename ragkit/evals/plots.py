"""Small plots as SVG, drawn by hand so that a report is one file that any browser shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

WIDTH = 460
HEIGHT = 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 50, 40
_CHARACTER = 6  # about the width of one in the legend, pixels
COLOURS = ("#2563a6", "#d9822b", "#4c9a5b", "#8e5ea2")


def line_plot(
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_label: str,
    y_label: str,
    diagonal: bool = False,
    x_names: Sequence[str] = (),
) -> str:
    """Draw lines in the unit square.

    Args:
        title: What is shown.
        series: For each line its name and its points, each coordinate from 0 to 1.
        x_label: What the x-axis shows.
        y_label: What the y-axis shows.
        diagonal: Whether to draw the line of chance.
        x_names: Names of evenly spaced places on the x-axis; default: numbers from 0 to 1.
    """
    parts = _frame(title, x_label, y_label, x_names)
    if diagonal:
        parts.append(
            f'<line x1="{_x(0):.1f}" y1="{_y(0):.1f}" x2="{_x(1):.1f}" y2="{_y(1):.1f}" '
            'stroke="#bbb" stroke-dasharray="4 4"/>'
        )
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(points) <= 12:
            parts += [
                f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="3" fill="{colour}">'
                f"<title>{escape(name)}: {y:.3f}</title></circle>"
                for x, y in points
            ]
    parts += _legend(series)
    return _svg(parts)


def histogram(
    title: str,
    groups: Mapping[str, Sequence[float]],
    *,
    bins: int = 20,
    x_label: str,
    marker: float | None = None,
    x_names: Sequence[str] = (),
) -> str:
    """Draw how values from 0 to 1 are spread, one colour a group, as shares of each group.

    Args:
        title: What is shown.
        groups: For each group its name and its values.
        bins: Number of bars for each group.
        x_label: What the values are.
        marker: A threshold to mark.
        x_names: Names of evenly spaced places on the x-axis; default: numbers from 0 to 1.
    """
    shares = {}
    for name, values in groups.items():
        counts = [0] * bins
        for value in values:
            counts[min(bins - 1, max(0, int(value * bins)))] += 1
        shares[name] = [count / max(1, len(values)) for count in counts]
    top = max((share for row in shares.values() for share in row), default=0.0) or 1.0
    heights = [f"{i / 4 * top:.0%}" for i in range(5)]
    parts = _frame(title, x_label, "share of questions", x_names, heights)
    width = 1 / bins / max(1, len(shares))
    for number, row in enumerate(shares.values()):
        colour = COLOURS[number % len(COLOURS)]
        for i, share in enumerate(row):
            left = i / bins + number * width
            parts.append(
                f'<rect x="{_x(left):.1f}" y="{_y(share / top):.1f}" '
                f'width="{(_x(left + width) - _x(left)):.1f}" '
                f'height="{(_y(0) - _y(share / top)):.1f}" fill="{colour}" fill-opacity="0.8"/>'
            )
    if marker is not None:
        parts.append(
            f'<line x1="{_x(marker):.1f}" y1="{_y(0):.1f}" x2="{_x(marker):.1f}" '
            f'y2="{_y(1):.1f}" stroke="#444" stroke-dasharray="3 3"><title>threshold '
            f"{marker:.2f}</title></line>"
            f'<text x="{_x(marker) + 4:.1f}" y="{_y(1) + 10:.1f}" fill="#444">threshold</text>'
        )
    parts += _legend([f"{name} ({len(values)})" for name, values in groups.items()])
    return _svg(parts)


def interval_plot(title: str, rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Draw differences with their intervals, one a line, around a line at zero.

    Args:
        title: What is shown.
        rows: Name, lower end, middle, upper end.
    """
    height = _TOP + 22 * len(rows) + 24
    left, right = 250, 560
    reach = max((max(abs(low), abs(high), abs(mid)) for _, low, mid, high in rows), default=0.0)
    reach = reach or 0.01

    def at(value: float) -> float:
        return (left + right) / 2 + value / reach * (right - left) / 2

    zero = f"{at(0):.1f}"
    parts = [
        f'<text x="10" y="18" font-weight="600">{escape(title)}</text>',
        f'<line x1="{zero}" y1="{_TOP}" x2="{zero}" y2="{height - 20}" stroke="#bbb"/>',
    ]
    for number, (name, low, middle, high) in enumerate(rows):
        y = _TOP + 22 * number + 12
        colour = COLOURS[2] if low > 0 else COLOURS[1] if high < 0 else "#777"
        parts += [
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>',
            f'<line x1="{at(low):.1f}" y1="{y}" x2="{at(high):.1f}" y2="{y}" stroke="{colour}" '
            'stroke-width="2"/>',
            f'<circle cx="{at(middle):.1f}" cy="{y}" r="4" fill="{colour}"><title>'
            f"{middle:+.3f} ({low:+.3f} to {high:+.3f})</title></circle>",
        ]
    for value in (-reach, 0.0, reach):
        parts.append(
            f'<text x="{at(value):.1f}" y="{height - 4}" text-anchor="middle" fill="#666">'
            f"{value:+.2f}</text>"
        )
    return _svg(parts, width=right + 30, height=height)


def _x(value: float) -> float:
    return _LEFT + value * (WIDTH - _LEFT - _RIGHT)


def _y(value: float) -> float:
    return HEIGHT - _BOTTOM - value * (HEIGHT - _TOP - _BOTTOM)


def _frame(
    title: str,
    x_label: str,
    y_label: str,
    x_names: Sequence[str],
    y_names: Sequence[str] = ("0", "0.25", "0.5", "0.75", "1"),
) -> list[str]:
    names = list(x_names) or ["0", "0.25", "0.5", "0.75", "1"]
    parts = [f'<text x="{_LEFT}" y="16" font-weight="600">{escape(title)}</text>']
    for i in range(5):
        y = _y(i / 4)
        parts.append(
            f'<line x1="{_x(0):.1f}" y1="{y:.1f}" x2="{_x(1):.1f}" y2="{y:.1f}" stroke="#e5e5e5"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#666">{y_names[i]}</text>'
        )
    for i, name in enumerate(names):
        x = _x(i / max(1, len(names) - 1))
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 15}" text-anchor="middle" fill="#666">'
            f"{escape(name)}</text>"
        )
    middle = (_x(0) + _x(1)) / 2
    parts.append(
        f'<text x="{middle:.1f}" y="{HEIGHT - 6}" text-anchor="middle" fill="#444">'
        f"{escape(x_label)}</text>"
        f'<text transform="translate(11 {(_y(0) + _y(1)) / 2:.1f}) rotate(-90)" '
        f'text-anchor="middle" fill="#444">{escape(y_label)}</text>'
    )
    return parts


def _legend(names: Iterable[str]) -> list[str]:
    """Names with their colours in a row above the drawing."""
    parts, x = [], _LEFT
    for number, name in enumerate(names):
        parts.append(
            f'<rect x="{x}" y="27" width="10" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>'
            f'<text x="{x + 15}" y="36" fill="#333">{escape(name)}</text>'
        )
        x += 15 + _CHARACTER * len(name) + 16
    return parts


def _svg(parts: Sequence[str], *, width: int = WIDTH, height: int = HEIGHT) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="11">'
        f"{''.join(parts)}</svg>"
    )
