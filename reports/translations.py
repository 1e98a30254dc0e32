"""The report's words, in English and Korean. Both tables have the same keys (a test holds it)."""

from collections.abc import Callable

Translate = Callable[..., str]

ENGLISH = {
    "title": "Search for the setting that removes the blur",
    "study": "Study",
    "so_far": "The search is running: this is how it stands so far.",
    "progress": "{count} {state}",
    "progress_none": "no trials yet",
    "progress_of": "of {budget} trials",
    "verdict_nothing": "No trial has been completed yet.",
    "verdict_only_failures": "No trial was completed: all were stopped or failed.",
    "verdict_no_baseline": "Trial {trial} has the best score, {score}.",
    "verdict_is_baseline": "The guide's recommended setting itself has the best score, {score}.",
    "verdict_ahead": "Trial {trial} scores {score}: {difference} better than the guide's"
    " recommended setting ({baseline}).",
    "verdict_better": "{one} is better than {other} by {difference} [{low}, {high}].",
    "verdict_undecided": "No difference between {one} and {other} is shown: {difference}"
    " [{low}, {high}].",
    "verdict_worse": "{other} is the best: {one}, the best of the others, is worse by {difference}"
    " [{low}, {high}].",
    "answer_any": "Whatever the generator: {said}{level}.",
    "answer_as_is": "With train.py as it is: {said}{level}.",
    "moves": "moves pixels",
    "repaints": "repaints",
    "lead_better": "{one} is better than {other} by {difference} [{low}, {high}]",
    "lead_undecided": "no difference between {one} and {other} is shown, {difference}"
    " [{low}, {high}]",
    "lead_worse": "{other} is the best, {one} is worse by {difference} [{low}, {high}]",
    "lead_searched": "{one} scores {score} in one run, {other} {baseline}",
    "lead_own": "{other} itself has the best score, {score} in one run",
    "lead_alone": "{one} has the best score, {score} in one run",
    "level_above": "; the best of them scores {score}, more than returning the picture unchanged"
    " ({noop})",
    "level_below": "; the best of them scores {score}, no more than returning the picture unchanged"
    " ({noop}): no remedy",
    "confirmed": "Confirmed on {seeds} fresh seeds, {steps} steps each, on {pairs} pairs that the"
    " search did not see. In brackets: where the true difference lies, at 95 %.",
    "finalists": "The finalists",
    "finalists_note": "The search's leaders and the guide's recommended setting, trained again:"
    " {steps} steps, {seeds} fresh seeds, {pairs} held-out pairs. There the input unchanged scores"
    " {noop}.",
    "compared_note": "Two settings trained on the same seeds: {steps} steps, {seeds} fresh seeds,"
    " {pairs} held-out pairs. There the input unchanged scores {noop}.",
    "eyes": "Judged by eyes",
    "eyes_agree": "Eyes and score agree in {agreed} of {decided} blind pairs ({share}; 95 %"
    " interval {low} to {high}, as if the pairs were independent). In {undecided} others the"
    " eyes saw no difference, or the scores have none.",
    "eyes_undecided": "In all {undecided} blind pairs the eyes saw no difference, or the scores are"
    " equal.",
    "eyes_chosen": "Chosen as the sharper one",
    "eyes_of": "{chosen} of {of}",
    "claims": "What the guide says, and what the trials say",
    "claims_few": "Too few completed trials to hold them against what the guide says.",
    "claims_note": "Each setting's effect on the score with the others held, from a straight line"
    " through the completed trials, and its 95 % interval. The search chose these trials, and they"
    " are short: a direction, not a law.",
    "claim": "The guide's claim",
    "finding": "Here",
    "effect": "Effect",
    "finding_supported": "supported",
    "finding_contradicted": "contradicted",
    "finding_open": "not enough evidence",
    "claim_perceptual": "A perceptual term sharpens",
    "claim_lower_L1": "A lower lambda_L1 sharpens (each halving)",
    "claim_deeper_D": "A deeper discriminator sharpens (each layer)",
    "claim_lsgan": "lsgan is better than vanilla",
    "claim_lower_lr": "A lower lr is better (each halving)",
    "mean_score": "Mean score",
    "interval": "95 % interval, other seeds",
    "repeats": "Runs",
    "diverged": "diverged",
    "no_baseline_note": "The guide's recommended setting was not completed here, so there is"
    " nothing to compare with.",
    "not_confirmed": "One run each, without repeats: a difference this small may be chance.",
    "below_noop": "It does not reach the score of returning the input unchanged ({noop}): these"
    " trainings were too short to restore anything. Take a larger profile.",
    "above_noop": "Returning the input unchanged scores {noop}.",
    "random_weights": "Scored through random networks, for no pretrained weights were at hand. Such"
    " scores are not comparable with others.",
    "failures_first": "The reasons are listed under “Trials that ended early”.",
    "winner": "Winner",
    "recommended_short": "Guide's recommended",
    "problem_short": "Guide's blurring setting",
    "recommended_long": "the guide's recommended setting",
    "noop_short": "Input unchanged",
    "oracle_short": "Warp undone (best possible)",
    "warm_start_short": "Warm start",
    "setting": "Setting",
    "pictures": "At the retouched boundary",
    "pictures_note": "A validation picture that no trial was trained on, magnified around the"
    " scored region. Pull the handle, or use the arrow keys.",
    "pictures_more": "More pictures",
    "no_pictures": "No pictures: the study's folder has no panel of the winner.",
    "side_by_side": "Every picture, its views side by side",
    "left": "Left",
    "right": "Right",
    "picture": "Picture",
    "split": "Where the left picture ends, in percent",
    "retouched": "Retouched (input)",
    "by_recommended": "Restored, guide's recommended",
    "by_problem": "Restored, guide's blurring setting",
    "by_winner": "Restored, winner",
    "original": "Original",
    "recipes": "The guide's settings",
    "recipes_none": "None of the guide's settings was run in this study.",
    "recipe": "Recipe",
    "trial": "Trial",
    "score": "Score",
    "against_winner": "Against the winner",
    "state": "State",
    "history": "Every trial",
    "completed": "Completed",
    "pruned_at_last": "Pruned, at its last rung",
    "best_so_far": "Best so far",
    "settings": "What each setting does",
    "alike_note": "Both kinds of generator were tried. What follows is of the trials of the"
    " winner's kind.",
    "importance": "Which settings matter",
    "importance_axis": "Share of the score's differences",
    "importance_note": "PED-ANOVA over the completed trials. It says where differences come from,"
    " not which value is best.",
    "importance_few": "Too few completed trials to tell which settings matter.",
    "slices_note": "Every completed trial by one setting at a time; the star is the winner, the"
    " shaded stretches are the guide's bands. The other settings differ too.",
    "parallel": "Settings together",
    "parallel_note": "Each line is a completed trial; the bolder, the better. The best eighth is"
    " drawn in green.",
    "front": "Not beaten in both",
    "front_title": "Two goals weighed",
    "front_note": "Every completed trial by both goals. The green ones are the front: no other"
    " trial is better in one and as good in the other. Which to take is a matter of taste.",
    "on_the_front": "The search weighed two goals: {trials} trials are beaten by none in both, and"
    " of these the winner has the best score.",
    "band_sharper": "sharper, colours may shift",
    "band_balanced": "balanced",
    "band_accurate": "accurate, may blur",
    "band_careful": "careful",
    "band_recommended": "recommended",
    "band_distorts": "colours may distort",
    "band_slow": "slow",
    "band_fast": "fast",
    "losses": "The winner's training",
    "losses_axis": "Part of the first rung's value",
    "losses_note": "Means between rungs, each as a part of its first. The guide expects:",
    "step": "Step",
    "expects_falls": "{loss} falls",
    "expects_steady": "{loss} stays steady (within 25%)",
    "holds": "yes",
    "holds_not": "no",
    "not_measured": "not used",
    "from_to": "{first} to {last}",
    "course": "Score on the validation pictures",
    "fell_back": "The score was best at step {best_step} ({best}) and ended at {last}: a sign of"
    " overfitting, or of unsteady training.",
    "held_up": "The score ended at {last}, its best was {best} at step {best_step}: no sign of"
    " overfitting.",
    "endings": "Trials that ended early",
    "endings_none": "Every trial ran to its end.",
    "reason": "Reason",
    "how_many": "Trials",
    "no_reason": "none noted",
    "state_complete": "completed",
    "state_pruned": "pruned",
    "state_fail": "failed",
    "state_running": "running",
    "state_waiting": "waiting",
    "table": "All trials",
    "table_note": "Press a heading to sort by it.",
    "definition": "What the score means",
    "definition_1": "boundary_sharpness lies between 0 and 1; the original itself has 1. It is"
    " taken inside the retouched region, widened by 2% of the picture's short side.",
    "definition_2": "Score of a picture = exp(-(D + E + Lrel)). D: how much local detail (variance"
    " of the Laplacian at three scales) is missing against the original: blur. E: how much there is"
    " too much of: noise, ringing, checkerboard. Lrel: LPIPS distance to the original, divided by"
    " the distance of the unrestored input: 1 is no better than doing nothing.",
    "definition_3": "The study's score is the mean over the validation pictures. Scores are"
    " comparable only with the same pictures, size and weights.",
    "provenance": "Where the numbers come from",
    "reproduce": "Run it yourself",
    "repeat": "Repeat the winning trial in pytorch-CycleGAN-and-pix2pix",
    "full": "Train the winning settings in full (1024 px, 1000 + 1000 epochs)",
    "copy": "Copy",
    "copied": "Copied",
    "space": "Search space",
    "skip": "Skip to the content",
}

KOREAN = {
    "title": "흐림을 없애는 설정 찾기",
    "study": "탐색",
    "so_far": "탐색이 진행 중입니다. 지금까지의 결과입니다.",
    "progress": "{state} {count}",
    "progress_none": "아직 시도 없음",
    "progress_of": "/ 전체 {budget}회",
    "verdict_nothing": "아직 완료된 시도가 없습니다.",
    "verdict_only_failures": "완료된 시도가 없습니다. 모두 중단되었거나 실패했습니다.",
    "verdict_no_baseline": "시도 {trial}의 점수가 {score}로 가장 높습니다.",
    "verdict_is_baseline": "가이드의 권장 설정 자체가 {score}로 가장 높습니다.",
    "verdict_ahead": "시도 {trial}의 점수는 {score}로, 가이드의 권장 설정({baseline})보다"
    " {difference} 더 좋습니다.",
    "verdict_better": "{one}이(가) {other}보다 {difference} 더 좋습니다 [{low}, {high}].",
    "verdict_undecided": "{one}와(과) {other}의 차이는 확인되지 않았습니다: {difference}"
    " [{low}, {high}].",
    "verdict_worse": "{other}이(가) 가장 좋습니다. 나머지 중 최고인 {one}은(는)"
    " {difference} 더 낮습니다 [{low}, {high}].",
    "answer_any": "어떤 생성기든: {said}{level}.",
    "answer_as_is": "train.py를 그대로 쓸 때: {said}{level}.",
    "moves": "픽셀 이동",
    "repaints": "다시 그리기",
    "lead_better": "{one}이(가) {other}보다 {difference} 더 좋습니다 [{low}, {high}]",
    "lead_undecided": "{one}와(과) {other}의 차이는 확인되지 않았습니다, {difference}"
    " [{low}, {high}]",
    "lead_worse": "{other}이(가) 가장 좋고, {one}은(는) {difference} 더 나쁩니다 [{low}, {high}]",
    "lead_searched": "한 번의 실행에서 {one}은(는) {score}, {other}은(는) {baseline}입니다",
    "lead_own": "{other} 자체가 한 번의 실행에서 가장 높은 {score}입니다",
    "lead_alone": "{one}이(가) 한 번의 실행에서 가장 높은 {score}입니다",
    "level_above": "; 그중 최고는 {score}로, 사진을 그대로 돌려줄 때({noop})보다 높습니다",
    "level_below": "; 그중 최고는 {score}로, 사진을 그대로 돌려줄 때({noop})보다 높지 않아 해결책이"
    " 아닙니다",
    "confirmed": "탐색에 쓰지 않은 {pairs}쌍에서, 새로운 시드 {seeds}개로"
    " 각각 {steps}단계씩 학습하여 확인했습니다. 대괄호 안은 실제 차이의 95 % 구간입니다.",
    "finalists": "최종 후보",
    "finalists_note": "탐색의 상위 설정과 가이드의 권장 설정을 다시 학습한 결과입니다:"
    " {steps}단계, 새로운 시드 {seeds}개, 따로 남겨 둔 {pairs}쌍."
    " 입력을 그대로 두면 {noop}점입니다.",
    "compared_note": "두 설정을 같은 시드로 학습한 결과입니다: {steps}단계, 새로운 시드 {seeds}개,"
    " 따로 남겨 둔 {pairs}쌍. 입력을 그대로 두면 {noop}점입니다.",
    "eyes": "눈으로 한 비교",
    "eyes_agree": "가려 놓고 비교한 {decided}쌍 가운데 {agreed}쌍에서 눈과 점수가 일치했습니다"
    "({share}, 쌍이 서로 독립이라고 볼 때 95 % 구간 {low}~{high})."
    " 차이가 보이지 않거나 점수가 같은 쌍은 {undecided}개입니다.",
    "eyes_undecided": "비교한 {undecided}쌍 모두에서 차이가 보이지 않았거나 점수가 같았습니다.",
    "eyes_chosen": "더 선명하다고 고른 횟수",
    "eyes_of": "{of}번 중 {chosen}번",
    "claims": "가이드의 주장과 실험 결과",
    "claims_few": "완료된 시도가 적어 가이드의 주장을 확인할 수 없습니다.",
    "claims_note": "완료된 시도에 직선을 맞추어, 다른 설정을 고정했을 때 각 설정이 점수에 주는"
    " 영향과 95 % 구간입니다. 탐색이 고른 짧은 시도이므로 방향만 참고하십시오.",
    "claim": "가이드의 주장",
    "finding": "실험 결과",
    "effect": "영향",
    "finding_supported": "뒷받침됨",
    "finding_contradicted": "반대로 나타남",
    "finding_open": "증거 부족",
    "claim_perceptual": "지각 손실이 선명하게 한다",
    "claim_lower_L1": "lambda_L1을 낮추면 선명해진다(절반마다)",
    "claim_deeper_D": "판별자가 깊으면 선명해진다(층마다)",
    "claim_lsgan": "lsgan이 vanilla보다 낫다",
    "claim_lower_lr": "학습률이 낮을수록 좋다(절반마다)",
    "mean_score": "평균 점수",
    "interval": "95 % 구간(다른 시드)",
    "repeats": "실행 수",
    "diverged": "발산",
    "no_baseline_note": "가이드의 권장 설정이 완료되지 않아 비교할 대상이 없습니다.",
    "not_confirmed": "각각 한 번씩만 실행한 결과입니다. 이 정도 차이는 우연일 수 있습니다.",
    "below_noop": "입력을 그대로 돌려줄 때의 점수({noop})에 미치지 못합니다. 학습이 너무 짧아"
    " 복원이 되지 않았습니다. 더 큰 프로필을 쓰십시오.",
    "above_noop": "입력을 그대로 돌려줄 때의 점수는 {noop}입니다.",
    "random_weights": "사전 학습된 가중치가 없어 무작위 신경망으로 평가했습니다. 다른 점수와 비교할"
    " 수 없습니다.",
    "failures_first": "이유는 “일찍 끝난 시도”에 있습니다.",
    "winner": "가장 좋은 시도",
    "recommended_short": "가이드 권장",
    "problem_short": "가이드의 흐린 설정",
    "recommended_long": "가이드의 권장 설정",
    "noop_short": "입력 그대로",
    "oracle_short": "변형을 되돌린 결과(상한)",
    "warm_start_short": "공통 시작 모델",
    "setting": "설정",
    "pictures": "보정된 경계의 모습",
    "pictures_more": "다른 사진",
    "pictures_note": "어떤 시도도 학습하지 않은 검증용 사진을 평가 영역 주변으로 확대했습니다."
    " 손잡이를 끌거나 화살표 키를 쓰십시오.",
    "no_pictures": "사진이 없습니다. 탐색 폴더에 가장 좋은 시도의 패널이 없습니다.",
    "side_by_side": "모든 사진을 나란히 보기",
    "left": "왼쪽",
    "right": "오른쪽",
    "picture": "사진",
    "split": "왼쪽 사진이 끝나는 위치(퍼센트)",
    "retouched": "보정본(입력)",
    "by_recommended": "복원, 가이드 권장",
    "by_problem": "복원, 가이드의 흐린 설정",
    "by_winner": "복원, 가장 좋은 시도",
    "original": "원본",
    "recipes": "가이드의 설정들",
    "recipes_none": "이 탐색에서는 가이드의 설정을 실행하지 않았습니다.",
    "recipe": "가이드 설정",
    "trial": "시도",
    "score": "점수",
    "against_winner": "가장 좋은 시도와의 차이",
    "state": "상태",
    "history": "모든 시도",
    "completed": "완료",
    "pruned_at_last": "중단(마지막 평가 값)",
    "best_so_far": "그때까지의 최고",
    "settings": "각 설정의 영향",
    "alike_note": "두 종류의 생성기를 모두 시험했습니다. 아래는 가장 좋은 것과 같은 종류의"
    " 시도입니다.",
    "importance": "어떤 설정이 중요한가",
    "importance_axis": "점수 차이에서 차지하는 비율",
    "importance_note": "완료된 시도에 대한 PED-ANOVA입니다. 차이가 어디서 오는지를 말할 뿐, 어느"
    " 값이 좋은지를 말하지는 않습니다.",
    "importance_few": "완료된 시도가 적어 어떤 설정이 중요한지 알 수 없습니다.",
    "slices_note": "완료된 모든 시도를 설정 하나씩 기준으로 그렸습니다. 별은 가장 좋은 시도, 색칠한"
    " 구간은 가이드의 구간입니다. 다른 설정도 함께 다릅니다.",
    "parallel": "설정을 함께 보기",
    "parallel_note": "선 하나가 완료된 시도 하나입니다. 진할수록 점수가 높고, 상위 8분의 1은"
    " 초록색입니다.",
    "front": "둘 다에서 뒤지지 않음",
    "front_title": "두 가지 목표",
    "front_note": "완료된 모든 시도를 두 목표로 나타냈습니다. 초록색은 다른 어떤 시도도 한쪽에서 더"
    " 좋으면서 다른 쪽에서 뒤지지 않는 시도입니다. 그중 무엇을 쓸지는 취향입니다.",
    "on_the_front": "두 가지 목표를 함께 본 탐색입니다. 두 목표 모두에서 뒤지지 않는 시도가"
    " {trials}개이며, 그중 점수가 가장 높은 것이 가장 좋은 시도입니다.",
    "band_sharper": "선명, 색 왜곡 가능",
    "band_balanced": "균형",
    "band_accurate": "정확, 흐림 가능",
    "band_careful": "보수적",
    "band_recommended": "권장",
    "band_distorts": "색 왜곡 위험",
    "band_slow": "느림",
    "band_fast": "빠름",
    "losses": "가장 좋은 시도의 학습",
    "losses_axis": "첫 평가 값에 대한 비율",
    "losses_note": "평가 사이의 평균을 첫 값에 대한 비율로 나타냈습니다. 가이드의 기대:",
    "step": "단계",
    "expects_falls": "{loss} 감소",
    "expects_steady": "{loss} 안정(25% 이내)",
    "holds": "예",
    "holds_not": "아니요",
    "not_measured": "사용 안 함",
    "from_to": "{first} → {last}",
    "course": "검증용 사진의 점수",
    "fell_back": "점수는 {best_step}단계에서 {best}로 가장 좋았고 {last}로 끝났습니다. 과적합이거나"
    " 불안정한 학습의 징후입니다.",
    "held_up": "점수는 {last}로 끝났고, 최고는 {best_step}단계의 {best}였습니다. 과적합의 징후가"
    " 없습니다.",
    "endings": "일찍 끝난 시도",
    "endings_none": "모든 시도가 끝까지 실행되었습니다.",
    "reason": "이유",
    "how_many": "시도",
    "no_reason": "기록 없음",
    "state_complete": "완료",
    "state_pruned": "중단",
    "state_fail": "실패",
    "state_running": "실행 중",
    "state_waiting": "대기",
    "table": "모든 시도의 표",
    "table_note": "제목을 누르면 그 열로 정렬합니다.",
    "definition": "점수의 뜻",
    "definition_1": "boundary_sharpness는 0과 1 사이이고 원본 자신이 1입니다. 보정된 영역을"
    " 사진 짧은 변의 2%만큼 넓힌 곳에서 계산합니다.",
    "definition_2": "사진 한 장의 점수 = exp(-(D + E + Lrel)). D: 원본에 비해 부족한 세부(세 가지"
    " 크기의 라플라시안 국소 분산), 곧 흐림. E: 지나친 세부: 잡음, 링잉, 격자무늬. Lrel: 원본과의"
    " LPIPS 거리를 복원하지 않은 입력의 거리로 나눈 값. 1이면 아무것도 하지 않은 것과 같습니다.",
    "definition_3": "탐색의 점수는 검증용 사진의 평균입니다. 같은 사진, 같은 크기, 같은 가중치일"
    " 때만 비교할 수 있습니다.",
    "provenance": "숫자의 출처",
    "reproduce": "직접 실행하기",
    "repeat": "pytorch-CycleGAN-and-pix2pix에서 가장 좋은 시도 반복하기",
    "full": "가장 좋은 설정으로 끝까지 학습하기(1024 px, 1000 + 1000 에폭)",
    "copy": "복사",
    "copied": "복사됨",
    "space": "탐색 공간",
    "skip": "본문으로 건너뛰기",
}

LANGUAGES = {"en": ENGLISH, "ko": KOREAN}


def translator(language: str) -> Translate:
    """`say(key, **values)`: a sentence of that language with its values filled in."""
    texts = LANGUAGES[language]

    def say(key: str, **values: object) -> str:
        return texts[key].format(**values)

    return say
