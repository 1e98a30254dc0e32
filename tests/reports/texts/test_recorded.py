"""What the record says in English is read in the language of the report, whoever wrote it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.study.pruners import WHY_PRUNED
from reports.texts.recorded import recorded
from reports.texts.translations import translator

HARNESS = Path(__file__).parents[3] / "harness"
KO = translator("ko")

SENTENCES = {
    "stopped at step 100: 0.3360 is not in the better half there": "100단계에서 중단: 점수 0.3360, "
    "그 단계의 상위 절반에 들지 못함",
    "stopped at step 100 to 250: 0.1950 to 0.3370 is below the median there": "100~250단계에서 "
    "중단: 점수 0.1950~0.3370, 그 단계의 중앙값 아래",
    "diverged: a loss is no longer finite (G_GAN nan, G_L1 2)": "발산: 손실이 더는 유한하지 "
    "않음(G_GAN nan, G_L1 2)",
    "diverged: the score at step 20 is nan": "발산: 20단계의 점수가 nan",
    "its worker died 3 times, last: killed by signal 9": "작업 프로세스가 3번 죽음, 마지막 이유: "
    "시그널 9로 종료됨",
    "diverged: the score is not finite": "발산: 점수가 유한하지 않음",
    "out of memory, also when run alone: MemoryError: x": "혼자 실행해도 메모리 부족: MemoryError: "
    "x",
    "its worker died 3 times, last: hung: no message for 60 s": "작업 프로세스가 3번 죽음, 마지막 "
    "이유: 멈춤: 60초 동안 응답 없음",
    "its worker died 3 times, last: exit code 1": "작업 프로세스가 3번 죽음, 마지막 이유: 종료 "
    "코드 1",
    "my.yaml ended with exit code 2: it printed nothing": "my.yaml이(가) 종료 코드 2로 끝남: 출력 "
    "없음",
    "my.yaml ended without g.pth: done | bye": "my.yaml이(가) g.pth 없이 끝남: done | bye",
    "built-in photographs of scikit-image, liquified": "scikit-image의 내장 사진을 리퀴파이로 "
    "변형한 것",
    "/my pairs (aligned: train 40 of 96, val 12)": "/my pairs(나란히 붙은 쌍: train 96 중 40, val "
    "12)",
    "pairs (two folders: train 9, val 3, drawn from 12; passed over: 2 hidden (.a), 1 folder "
    "(b/); supported are .jpg, .png)": "pairs(두 폴더: train 9, val 3, 모두 12쌍에서 추출; 건너뜀: "
    "숨김 파일 2(.a), 폴더 1(b/); 지원하는 형식: .jpg, .png)",
    "p (manifest: train 9; 16-bit pictures are read as 12-bit, a guess: all their values are below "
    "4,096)": "p(쌍의 목록: train 9; 모든 값이 4,096보다 작아 16비트 사진을 12비트로 추정해 읽음)",
}


@pytest.mark.parametrize("english", SENTENCES)
def test_a_recorded_sentence_is_read_in_korean(english: str) -> None:
    assert recorded(english, KO) == SENTENCES[english]
    assert recorded(english, translator("en")) == english


def test_what_an_earlier_version_wrote_is_read_too() -> None:
    english = "p (aligned: train 9; passed over: 3 folder(s) (b/); supported are .jpg)"
    assert "폴더 3(b/)" in recorded(english, KO)
    assert "3 folders (b/)" in recorded(english, translator("en"))


@pytest.mark.parametrize(
    "text",
    ["", "RuntimeError: a, b; c", "diverged", "stopped at step x: 1 is y", "{0} {}", "5 to right"],
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert recorded(text, KO) == text


def written_in(file: Path) -> Iterator[str]:
    """The sentences that a file of the harness records, with a 7 wherever it fills something in."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "job.stop_reason":
            yield filled(node.value)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("DivergedError", "ExternalError", "Died"):
                yield filled(node.args[0])
            if name in ("self.recorder.failed", "self.recorder.pruned"):
                yield filled(node.args[1])


def filled(value: ast.expr) -> str:
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in parts)


def test_every_reason_that_the_program_writes_is_known() -> None:
    """Of those that are put together elsewhere, the examples above are all."""
    files = (file for file in HARNESS.rglob("*.py") if file.name != "warm_start.py")  # no trial's
    found = {text for file in files for text in written_in(file)}
    found |= {f"stopped at step 7: 7 {why}" for why in WHY_PRUNED.values() if why}
    sentences = {text for text in found if re.search("[a-z]{2}", text)}
    assert len(sentences) >= 15
    assert [text for text in sentences if recorded(text, KO) == text] == []
