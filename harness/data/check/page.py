"""The check as an HTML page: thumbnails next to the findings, worst first."""

import base64
import io
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from jinja2 import Environment
from PIL import Image

from harness.data.check.check import CheckResult
from harness.data.check.findings import LEVELS, Finding
from harness.data.files.pair_folders import PairFiles
from harness.data.files.pair_reading import DIFFERENCE_SCALE, difference, read_halves
from harness.data.files.picture_reading import Picture
from harness.errors import UserInputError, quantity
from harness.paths import write_atomically

MOST_ROWS = 200

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Data check</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .6rem; border-top: 1px solid #ccc; vertical-align: top; text-align: left }
td:first-child { white-space: nowrap; width: 1px }
td p { margin: .2rem 0 }
.summary { white-space: pre-line }
.name { overflow-wrap: anywhere; font-weight: bold }
.none { color: #777 }
img { height: 128px; margin-right: 4px }
.error { color: #b00020 } .warning { color: #7a5000 } .note { color: #444 }
</style>
<h1>{{ folder }}</h1>
<p class="summary">{{ summary }}</p>
<p>{% for level, count in counts %}<span class="{{ level }}">{{ quantity(count, level) }}</span>{{
", " if not loop.last }}{% else %}No findings.{% endfor %}
{% if left_out %}(Not shown: {{ quantity(left_out, "more file") }} with findings.){% endif %}</p>
<table><tr><th>A, B, their difference x {{ scale }}</th><th>findings</th></tr>{% for row in rows %}
<tr><td>{% for source in row.pictures %}<img src="data:image/jpeg;base64,{{ source }}" alt="">
{% else %}{% if row.name %}<span class="none">no picture</span>{% endif %}{% endfor %}</td>
<td><span class="name">{{ row.name or "the folder" }}</span>{% for finding in row.findings %}
<p class="{{ finding.level }}">{{ finding.level }}: {{ finding.what }}; {{ finding.do }}.</p>
{% endfor %}</td></tr>{% endfor %}
</table></html>
"""


def write_page(result: CheckResult, file: Path) -> None:
    """Write the page: one row per file, errors first, with embedded pictures."""
    files = {pair.name: pair for pairs in result.folder.splits.values() for pair in pairs}
    by_name: dict[str, list[Finding]] = defaultdict(list)
    for finding in result.findings:
        by_name[finding.name].append(finding)
    rows = [
        {"name": name, "findings": found, "pictures": thumbnails(files.get(name))}
        for name, found in list(by_name.items())[:MOST_ROWS]
    ]
    levels = Counter(finding.level for finding in result.findings)
    page = Environment(autoescape=True).from_string(PAGE)
    text = page.render(
        folder=result.folder.root,
        summary=result.summary(),
        counts=[(level, levels[level]) for level in LEVELS if levels[level]],
        scale=DIFFERENCE_SCALE,
        rows=rows,
        left_out=len(by_name) - len(rows),
        quantity=quantity,
    )
    write_atomically(file, text)


def thumbnails(files: PairFiles | None) -> list[str]:
    """A, B and their difference as small JPEGs in base64; empty if they cannot be read."""
    if files is None:
        return []
    try:
        a, b = map(small, read_halves(files))
    except UserInputError:
        return []
    return [encoded(picture) for picture in (a, b, difference(a, b))]


def small(picture: Picture) -> Picture:
    """The picture scaled to fit into 160 x 160."""
    image = Image.fromarray(picture)
    image.thumbnail((160, 160))
    return np.asarray(image)


def encoded(picture: Picture) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=80)
    return base64.b64encode(buffer.getvalue()).decode()
