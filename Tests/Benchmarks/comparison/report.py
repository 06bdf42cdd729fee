"""The table, as text for a terminal and as Markdown for the documentation."""

from .rows import BY_NAME, ROWS, SUBJECTS

COLUMNS = ("work", "floor", "evbd", "lldpad", "evbd / floor", "lldpad / evbd", "to reach", "")


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def figure(summary, unit):
    """The median, and from the tenth to the ninetieth of a hundred where they are apart."""
    if summary is None:
        return "-"
    text = f"{number(summary['median'])} {unit}".strip()
    if summary["values"] > 1 and number(summary["low"]) != number(summary["high"]):
        text += f" ({number(summary['low'])}..{number(summary['high'])})"
    return text


def verdict(row, figures, quick=False):
    """(what there is to reach, whether that is so: `met`, `not met`, or nothing where there is no target or no figure)."""
    medians = {subject: summary["median"] for subject, summary in figures.items()}
    judged = [target.is_met(medians) for target in row.targets]
    words = ", ".join(target.text(row.unit) for target in row.targets)
    if not judged or None in judged or quick:
        return words, ""
    return words, "met" if all(judged) else "not met"


def ratio(above, below):
    if above is None or below is None or not below["median"]:
        return "-"
    return f"{number(above['median'] / below['median'])} x"


def lines(results):
    """The cells of each row that was measured, in the order of rows.py; the last has the verdict."""
    for row in ROWS:
        figures = results["rows"].get(row.name)
        if not figures:
            continue
        get = figures.get
        yield row, [row.what, *(figure(get(subject), row.unit) for subject in SUBJECTS), ratio(get("evbd"), get("floor")),
                    ratio(get("lldpad"), get("evbd")), *verdict(row, figures, results["about"]["quick"])]


def notes(results):
    """What is said under the table: of which rows a subject is measured otherwise, and remarks."""
    for row in ROWS:
        if row.name in results["rows"]:
            for subject, note in row.notes.items():
                if subject in results["rows"][row.name] or subject == "evbd":
                    yield f"{row.what}: {subject} {note}." if not note.endswith(".") else f"{row.what}: {subject} {note}"
        if row.name in results["remarks"]:
            yield f"{row.what}: {results['remarks'][row.name]}"


def change(row, now, before):
    """How evbd's median has changed since an earlier run, and whether that is more than either's own spread."""
    now, before = now.get("evbd"), (before or {}).get("evbd")
    if not now or not before or not before["median"]:
        return ""
    within = now["low"] <= before["high"] and before["low"] <= now["high"]
    return f"{100 * (now['median'] / before['median'] - 1):+.0f} %" + (" ~" if within else "")


def machine(about):
    programs = ", programs of EVBD_RELEASE_DIR" if about.get("given") else ""
    return (f"{about['date']}, commit {about['commit']}{programs}: {about['processors']} processors ({about['processor']}), Linux {about['kernel']}; "
            f"load before {about['load before']}, after {about.get('load after', '-')}; {about['rounds']} rounds."
            + (" Quick: with fewer VSIs than the rows say, so that no target is judged." if about["quick"] else ""))


def text(results, before=None):
    rows = [list(COLUMNS)]
    rows[0].append("change" if before else "")
    for row, cells in lines(results):
        rows.append([*cells, change(row, results["rows"][row.name], before["rows"].get(row.name)) if before else ""])
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(rows[0]))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip() for cells in rows]
    missed = [cells[0] for _, cells in lines(results) if cells[-1] == "not met"]
    met = sum(cells[-1] == "met" for _, cells in lines(results))
    end = ["", *notes(results), "", machine(results["about"]), f"Targets: {met} met, {len(missed)} not met."]
    if before:
        end += ["", f"Change against {machine(before['about'])}", "~: within the spread of both."]
    return "\n".join(shown + end)


def markdown(results):
    shown = [f"| {' | '.join(COLUMNS[:-1])} | |", "|---" * len(COLUMNS) + "|"]
    shown += [f"| {' | '.join(cells)} |" for _, cells in lines(results)]
    return "\n".join(shown + ["", *(f"- {note}" for note in notes(results)), "", machine(results["about"])])


def missed(results):
    return [row for row, cells in lines(results) if cells[-1] == "not met"]


def known(name):
    return name in BY_NAME
