"""From results to words: Markdown tables, the JSON of every single measurement, and docs/performance.md.

A scenario gives a `Report`. In the document each scenario has its place between two markers,

    <!-- figures: one-stream -->
    <!-- end of figures: one-stream -->

and only what lies between them is ever replaced. What the figures mean is written by hand, around them.
"""

import json
import pathlib
import re
from dataclasses import dataclass, field

from .rounds import failures


@dataclass
class Report:
    """What a scenario found out."""

    name: str
    settings: dict
    headers: list
    rows: list
    findings: list = field(default_factory=list)
    commands: dict = field(default_factory=dict)
    left_out: dict = field(default_factory=dict)
    runs: dict = field(default_factory=dict)
    rounds: int = 0
    load: float = 0.0


def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def ratio(value, other, digits=2):
    return "-" if value is None or not other else f"{value / other:.{digits}f}"


def table(headers, rows):
    lines = ["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def markdown(report, facts):
    settings = "; ".join(f"{key}: {value}" for key, value in report.settings.items())
    parts = [
        f"{settings}. {report.rounds} interleaved rounds, medians. longhaul {facts['commit']}, {facts['date']}, "
        f"{facts['cores']} cores of {facts['cpu']}, load before {report.load}.",
        table(report.headers, report.rows),
    ]
    lines = list(report.findings)
    lines += [f"{name}: {words}" for name, samples in report.runs.items() if (words := failures(samples))]
    lines += [f"{name}: left out, {reason}" for name, reason in report.left_out.items()]
    if lines:
        parts.append("\n".join(f"- {line}" for line in lines))
    if report.commands:
        width = max(map(len, report.commands))
        commands = "\n".join(f"{name:{width}}  {line}" for name, line in report.commands.items())
        parts.append(f"<details><summary>Command lines</summary>\n\n```\n{commands}\n```\n\n</details>")
    return "\n\n".join(parts)


def machine(facts):
    return "\n".join(f"- {key}: {value}" for key, value in facts.items())


def write_json(report, facts, path):
    path.write_text(json.dumps({"facts": facts, **report.__dict__}, indent=1, default=str) + "\n")


def markers(name):
    return f"<!-- figures: {name} -->", f"<!-- end of figures: {name} -->"


def place_in(path, text, name):
    """Where the section is, as a pattern; complains where it is not there exactly once."""
    first, last = markers(name)
    place = re.compile(re.escape(first) + ".*?" + re.escape(last), re.DOTALL)
    if len(place.findall(text)) != 1:
        raise SystemExit(f"bench: {path} has no place for {name}: it needs the lines {first} and {last}, once")
    return place


def write_document(path: pathlib.Path, sections):
    """Replaces what lies between the markers of each section."""
    text = path.read_text()
    for name, body in sections.items():
        first, last = markers(name)
        text = place_in(path, text, name).sub(lambda _, f=first, b=body, e=last: f"{f}\n{b}\n{e}", text)
    path.write_text(text)
