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
        parts.append(_line(_x(0), _y(0), _x(1), _y(1), "#bbb", dashes="4 4"))
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
            _line(_x(marker), _y(0), _x(marker), _y(1), "#444", dashes="3 3")
            + _text(_x(marker) + 4, _y(1) + 10, f"threshold {marker:.2f}")
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

    parts = [
        _text(10, 18, title, heading=True),
        _line(at(0), _TOP, at(0), height - 20, "#bbb"),
    ]
    for number, (name, low, middle, high) in enumerate(rows):
        y = _TOP + 22 * number + 12
        colour = COLOURS[2] if low > 0 else COLOURS[1] if high < 0 else "#777"
        parts += [
            _text(left - 10, y + 4, name, anchor="end"),
            _line(at(low), y, at(high), y, colour, width=2),
            f'<circle cx="{at(middle):.1f}" cy="{y}" r="4" fill="{colour}"><title>'
            f"{middle:+.3f} ({low:+.3f} to {high:+.3f})</title></circle>",
        ]
    for value in (-reach, 0.0, reach):
        parts.append(_text(at(value), height - 4, f"{value:+.2f}", anchor="middle"))
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
    parts = [_text(_LEFT, 16, title, heading=True)]
    for i in range(5):
        y = _y(i / 4)
        parts.append(_line(_x(0), y, _x(1), y, "#e5e5e5"))
        parts.append(_text(_LEFT - 6, y + 4, y_names[i], anchor="end"))
    for i, name in enumerate(names):
        x = _x(i / max(1, len(names) - 1))
        parts.append(_text(x, HEIGHT - _BOTTOM + 15, name, anchor="middle"))
    parts.append(_text(_x(0.5), HEIGHT - 6, x_label, anchor="middle"))
    turned = f'transform="translate(11 {_y(0.5):.1f}) rotate(-90)"'
    parts.append(f"<g {turned}>{_text(0, 0, y_label, anchor='middle')}</g>")
    return parts


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, width: int = 1, dashes: str = ""
) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}" stroke-dasharray="{dashes}"/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", heading: bool = False) -> str:
    style = 'font-weight="600"' if heading else 'fill="#444"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}>{escape(text)}</text>'


def _legend(names: Iterable[str]) -> list[str]:
    """Names with their colours in a row above the drawing."""
    parts, x = [], _LEFT
    for number, name in enumerate(names):
        parts.append(
            f'<rect x="{x}" y="27" width="10" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>'
            + _text(x + 15, 36, name)
        )
        x += 15 + _CHARACTER * len(name) + 16
    return parts


def _svg(parts: Sequence[str], *, width: int = WIDTH, height: int = HEIGHT) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="11">'
        f"{''.join(parts)}</svg>"
    )
