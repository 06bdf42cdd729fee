"""Brings a run's table and plots into Documentation/performance.md; what stands around them is written by hand."""

import re

from lab.system import REPOSITORY

from . import plots, report

PAGE = REPOSITORY / "Documentation/performance.md"
PLOTS = REPOSITORY / "Documentation/performance"
BEGIN, END = "<!-- Tests/Benchmarks/run --page writes what is between these lines -->\n", "<!-- until here -->\n"


def table_of(text):
    """What the page has between its marks."""
    found = re.search(re.escape(BEGIN) + "(.*?)" + re.escape(END), text, re.S)
    if not found:
        raise ValueError(f"{PAGE} has not the two lines between which the table belongs")
    return found.group(1)


def pictures(drawn):
    return "\n".join(f"![{report_title(name)}](performance/{name}.svg)" for name in drawn)


def report_title(name):
    title, unit = plots.CURVES[name]
    return f"{title} ({unit})"


def contents(results):
    """(the part of the page, name -> SVG)."""
    drawn = plots.all_of(results)
    return f"\n{report.markdown(results)}\n\n{pictures(drawn)}\n\n", drawn


def write(results):
    part, drawn = contents(results)
    text = PAGE.read_text()
    PAGE.write_text(text.replace(f"{BEGIN}{table_of(text)}{END}", f"{BEGIN}{part}{END}"))
    PLOTS.mkdir(exist_ok=True)
    for name, picture in drawn.items():
        (PLOTS / f"{name}.svg").write_text(picture)
    return [PAGE, *(PLOTS / f"{name}.svg" for name in drawn)]
