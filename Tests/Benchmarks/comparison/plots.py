"""The curves as SVG: small, both axes logarithmic, readable on a light page and on a dark one."""

import math
from xml.sax.saxutils import escape

from .rows import CURVES, SUBJECTS

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 300, 58, 64, 34, 40
# Between black and white, so that both pages show them; the dash says the same as the colour.
COLOURS = {"floor": ("#8a8f98", "2 3"), "evbd": ("#2f80d0", ""), "lldpad": ("#d0702f", "6 3")}
INK = "#7d8590"


def decades(low, high):
    """The powers of ten around two values."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0 ** power for power in range(first, max(last, first + 1) + 1)]


def label(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


class Axis:
    def __init__(self, ticks, begin, end):
        self.ticks, self._begin, self._end = ticks, begin, end

    def at(self, value):
        low, high = math.log10(self.ticks[0]), math.log10(self.ticks[-1])
        return round(self._begin + (math.log10(value) - low) / (high - low) * (self._end - self._begin), 1)


def curve(name, subjects):
    """One plot: each subject's medians over the number of VSIs, with a bar for the spread."""
    title, unit = CURVES[name]
    points = {subject: sorted((int(size), summary) for size, summary in subjects[subject].items() if summary["median"] > 0)
              for subject in SUBJECTS if subject in subjects}
    points = {subject: some for subject, some in points.items() if some}
    sizes = sorted({size for some in points.values() for size, _ in some})
    values = [value for some in points.values() for _, summary in some for value in (summary["low"], summary["high"], summary["median"]) if value > 0]
    across = Axis(decades(min(sizes), max(sizes)), LEFT, WIDTH - RIGHT)
    up = Axis(decades(min(values), max(values)), HEIGHT - BOTTOM, TOP)
    drawn = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
             f'font-family="sans-serif" font-size="11" fill="{INK}">',
             f"<title>{escape(title)}</title>", f'<text x="{LEFT}" y="16" font-size="13">{escape(title)} ({unit})</text>']
    for tick in up.ticks:
        drawn.append(f'<path d="M{LEFT} {up.at(tick)}H{WIDTH - RIGHT}" stroke="{INK}" stroke-opacity="0.3"/>'
                     f'<text x="{LEFT - 6}" y="{up.at(tick) + 4}" text-anchor="end">{label(tick)}</text>')
    for size in sizes:
        drawn.append(f'<text x="{across.at(size)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{label(size)}</text>')
    drawn.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">VSIs</text>')
    for subject, some in points.items():
        drawn += line(subject, some, across, up)
    return "\n".join([*drawn, "</svg>"]) + "\n"


def line(subject, points, across, up):
    colour, dash = COLOURS[subject]
    places = [(across.at(size), up.at(summary["median"])) for size, summary in points]
    yield (f'<polyline points="{" ".join(f"{x},{y}" for x, y in places)}" fill="none" stroke="{colour}" stroke-width="2"'
           + (f' stroke-dasharray="{dash}"' if dash else "") + "/>")
    for (x, y), (_, summary) in zip(places, points):
        bar = f'<path d="M{x} {up.at(summary["low"])}V{up.at(summary["high"])}" stroke="{colour}"/>' if summary["low"] > 0 else ""
        yield f'{bar}<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>'
    x, y = places[-1]
    yield f'<text x="{x + 8}" y="{y + 4}" fill="{colour}">{subject}</text>'


def all_of(results):
    """name -> SVG, of the curves that have at least two sizes."""
    return {name: curve(name, subjects) for name, subjects in results["curves"].items()
            if any(len(points) > 1 and any(summary["median"] > 0 for summary in points.values()) for points in subjects.values())}
