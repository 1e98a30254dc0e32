"""The check as a page to look through: thumbnails beside what was found, worst first."""

import base64
import io
from collections import defaultdict
from pathlib import Path

from jinja2 import Environment
from PIL import Image

from harness.data.check import CheckResult
from harness.data.findings import Finding
from harness.data.folders import PairFiles
from harness.data.halves import read_halves
from harness.data.reading import Picture
from harness.errors import UserInputError
from harness.paths import write_aside

MOST_ROWS = 200

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Data check</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
td { padding: .5rem; border-top: 1px solid #ccc; vertical-align: top }
td:first-child { white-space: nowrap }
.summary { white-space: pre-line }
img { max-height: 120px; margin-right: 4px }
.error { color: #b00020 } .warning { color: #8a5a00 } .note { color: #444 }
</style>
<h1>{{ folder }}</h1>
<p class="summary">{{ summary }}</p>
<p>{{ findings }} findings.{% if left_out %} {{ left_out }} more files with findings are not shown.
{% endif %}</p>
<table>{% for row in rows %}
<tr><td>{% for source in row.pictures %}<img src="data:image/jpeg;base64,{{ source }}" alt="">
{% endfor %}</td><td><b>{{ row.name or "the folder" }}</b>{% for finding in row.findings %}
<p class="{{ finding.level }}">{{ finding.level }}: {{ finding.what }}; {{ finding.do }}.</p>
{% endfor %}</td></tr>{% endfor %}
</table></html>
"""


def write_page(result: CheckResult, file: Path) -> None:
    """Write the page: a row a file, those with errors first, the pictures inside the page."""
    files = {pair.name: pair for pairs in result.folder.splits.values() for pair in pairs}
    by_name: dict[str, list[Finding]] = defaultdict(list)
    for finding in result.findings:
        by_name[finding.name].append(finding)
    rows = [
        {"name": name, "findings": found, "pictures": thumbnails(files.get(name))}
        for name, found in list(by_name.items())[:MOST_ROWS]
    ]
    page = Environment(autoescape=True).from_string(PAGE)
    text = page.render(
        folder=result.folder.root,
        summary=result.summary(),
        findings=len(result.findings),
        rows=rows,
        left_out=len(by_name) - len(rows),
    )
    with write_aside(file) as aside:
        aside.write_text(text, encoding="utf-8", errors="replace")


def thumbnails(files: PairFiles | None) -> list[str]:
    """A and B as small JPEG pictures in base64; none where they cannot be read."""
    try:
        return [encoded(picture) for picture in read_halves(files)] if files else []
    except UserInputError:
        return []


def encoded(picture: Picture) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((160, 160))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return base64.b64encode(buffer.getvalue()).decode()
