"""A report's page as a browser's parser sees it."""

import json
from html.parser import HTMLParser

# A name that must stay mere words, wherever it stands on the page.
HOSTILE = (
    "</script><script>alert(1)</script> \"'><img src=x onerror=alert(2)> 얼굴 & {{ 7*7 }} ${x}"
)


class Page(HTMLParser):
    """A page's words, its elements and its figures, as a browser's parser sees them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.in_sentence = False  # a link within one stands between two pieces of its text
        self.scripts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.in_sentence = ("class", "word") in attrs
        if tag in ("script", "style"):
            self.inside.append(tag)
            self.scripts += [""] if tag == "script" else []

    def handle_endtag(self, tag: str) -> None:
        self.in_sentence = tag == "a"
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if self.inside == ["script"]:
            self.scripts[-1] += data
        elif not self.inside:
            if self.in_sentence and self.words:
                data = self.words.pop() + data
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def figures(self) -> dict[str, dict[str, list[dict[str, object]]]]:
        figures: dict[str, dict[str, list[dict[str, object]]]] = json.loads(self.scripts[0])
        return figures
