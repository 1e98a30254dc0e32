"""The texts of the report: the same in every language, and none of them unused."""

import re
from pathlib import Path

from reports.texts.translations import LANGUAGES


def test_the_languages_say_the_same_things() -> None:
    english, korean = LANGUAGES["en"], LANGUAGES["ko"]
    assert english.keys() == korean.keys()
    for key in english:
        holes = re.compile(r"{(\w+)[}:]")
        assert sorted(holes.findall(english[key])) == sorted(holes.findall(korean[key])), key


# What both languages say in the same texts: English, Korean.
SAID = (
    ("^Use {(one|other)}", "^{(one|other)} 설정을 쓰십시오"),
    ("^Keep the recommended", r"^권장 설정\(.*그대로 쓰십시오"),
    ("^Not decided", "^아직 결정할 수 없"),
    ("^Search on", "^탐색을 더"),
    ("^Try {one}", "시험해 보십시오"),
    ("blur stays", "흐림[이은] 남"),
    ("Higher is better", "높을수록 좋"),
    ("Lower is better", "낮을수록 좋"),
    ("no sign of overfitting", "과적합의 징후가 없"),
    (": a sign of overfitting", "과적합이거나"),
    ("not reliable|not reliably {", "차이는 확실하지 않|확실히 {more} 않"),
    ("but perhaps (no|not)", "(가까운지는|나은지는) 확실하지 않"),
    ("no better than the {noop}", r"({noop}\)보다 낫지|{noop}\)보다 낫지) 않"),
    ("behind it by", "뒤집니다"),
    ("It leads|It leads by|leads the next|leads the recom", "[^어] 앞섭니다"),
    ("^Leader$", "^앞서 있는 시도$"),
    ("^Winner$", "^가장 좋은 시도$"),
    ("^supported", "^뒷받침됨"),
    ("^contradicted", "^반대로"),
    ("^Left$", "^왼쪽$"),
    ("^Right$", "^오른쪽$"),
    ("shared warm start", r"공통 시작 모델\((?!warm)"),
    ("In generators that move", "^픽셀을 옮기는 생성기"),
    ("In generators that repaint", "다시 그리는 생성기\\("),
)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e-\d+)?")
COUNTED = {"note_copies", "means_interval", "parallel_note"}  # with months, twice, an eighth


def test_the_languages_mean_the_same() -> None:
    """As far as numbers and plain words tell: the second of a pair is easily the first's."""
    english, korean = LANGUAGES["en"], LANGUAGES["ko"]
    for key in english.keys() - COUNTED:
        two = [sorted(NUMBER.findall(texts[key])) for texts in (english, korean)]
        assert two[0] == two[1], key
    for words in SAID:
        keys = [
            {key for key, text in texts.items() if re.search(pattern, text)}
            for texts, pattern in zip((english, korean), words, strict=True)
        ]
        assert keys[0] == keys[1] != set(), words


def test_every_text_is_used() -> None:
    root = Path(__file__).parents[3] / "reports"
    sources = "".join(
        file.read_text(encoding="utf-8")
        for file in root.rglob("*")
        if file.suffix in (".py", ".j2") and file.parent != root / "texts"
    )
    built = (
        "decide_use_",
        "decide_keep",
        "decide_below",
        "decide_compared_",
        "why_",
        "level_",
        "recipe_",
        "claim_",
        "finding_",
        "band_",
        "state_",
        "expects_",
        "definition_",
        "word_",
        "means_",
        "find_",
        "from_",
        "recorded_",
    )
    unused = [
        key for key in LANGUAGES["en"]
        if f'"{key}"' not in sources and not key.startswith(built)
    ]  # fmt: skip
    assert unused == []
