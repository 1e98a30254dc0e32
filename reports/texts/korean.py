"""The report's texts in Korean. english.py has the same keys; translations.py joins them."""

TEXTS = {
    "title": "흐림을 없애는 설정 찾기",
    "study": "탐색",
    "so_far": "탐색이 진행 중입니다. 지금까지의 결과입니다.",
    "progress": "{state} {count}",
    "progress_none": "아직 시도 없음",
    "progress_finals": "최종 후보 실행 {count}",
    "progress_of": "/ 전체 {budget}회",
    "decide_wait": "아직 결정할 수 없습니다: 완료된 시도가 없습니다",
    "decide_failed": "결정할 수 없습니다: 모든 시도가 실패했거나 중단되었습니다",
    "decide_leads": "아직 결정할 수 없습니다: {budget}회 중 {done}회까지 {one} 시도가 앞서"
    " 있습니다",
    "decide_leads_as_is": "{one} 시도가 앞서 있습니다",
    "decide_try": "{one} 설정을 시험해 보십시오: 앞서 있지만 아직 확인되지 않았습니다",
    "decide_use_removes": "{one} 설정을 쓰십시오: 흐림이 없어집니다",
    "decide_use_perhaps": "{one} 설정을 쓰십시오: 권장 설정보다 선명하지만, 흐림이 없어지는지는"
    " 확실하지 않습니다",
    "decide_use_below": "{one} 설정을 쓰십시오: 권장 설정보다 선명하지만, 흐림을 없애지는 못합니다",
    "decide_use_unknown": "{one} 설정을 쓰십시오: 권장 설정보다 선명합니다",
    "decide_use_own_above": "{one} 설정을 쓰십시오: 권장 설정보다도, 사진을 그대로 돌려줄 때보다도"
    " 좋습니다",
    "decide_use_own_perhaps": "{one} 설정을 쓰십시오: 권장 설정보다 좋지만, 사진을 그대로 돌려줄"
    " 때보다 나은지는 확실하지 않습니다",
    "decide_use_own_below": "{one} 설정을 쓰십시오: 권장 설정보다 좋지만, 사진을 그대로 돌려줄"
    " 때보다 낫지는 않습니다",
    "decide_use_own_unknown": "{one} 설정을 쓰십시오: 권장 설정보다 좋습니다",
    "decide_keep": "권장 설정({settings})을 그대로 쓰십시오: 시험한 것 중 확실히 더 선명한 설정이"
    " 없습니다",
    "decide_keep_own": "권장 설정({settings})을 그대로 쓰십시오: 시험한 것 중 확실히 더 나은 설정이"
    " 없습니다",
    "decide_keep_as_is": "권장 설정({settings})을 그대로 쓰십시오: train.py로 쓸 수 있는 다른"
    " 설정 중 확실히 더 선명한 것이 없습니다",
    "decide_keep_own_as_is": "권장 설정({settings})을 그대로 쓰십시오: train.py로 쓸 수 있는"
    " 다른 설정 중 확실히 더 나은 것이 없습니다",
    "decide_keep_searched": "권장 설정({settings})을 그대로 쓰십시오: 시험한 것 중 점수가 더 높은"
    " 설정이 없습니다",
    "decide_keep_searched_as_is": "권장 설정({settings})을 그대로 쓰십시오: train.py로 쓸 수 있는"
    " 다른 설정 중 점수가 더 높은 것이 없습니다",
    "decide_choose": "고르십시오: {goals} 모두에서 뒤지지 않는 설정이 {count}개이며, 그중 {one}의"
    " 점수가 가장 좋습니다",
    "decide_compared_better": "{one} 설정을 쓰십시오: {other} 설정보다 좋습니다",
    "decide_compared_worse": "{other} 설정을 쓰십시오: {one} 설정보다 좋습니다",
    "decide_compared_undecided": "어느 쪽을 써도 됩니다: {one} 설정과 {other} 설정의 차이가"
    " 발견되지 않았습니다",
    "and": ", ",
    "as_is": "train.py를 그대로 쓸 때: {said}",
    "layers": "판별자 {count}층",
    "moves_pixels": "생성기가 픽셀을 다시 그리지 않고 옮깁니다",
    "why_better": "{sure}권장 설정보다 {difference} 앞섭니다(95 % 구간 {low} ~ {high}).{level}",
    "why_undecided": "{sure}나머지 중 최고인 {one} 설정이 확실히 {more} 않습니다(차이"
    " {difference}, 95 % 구간 {low} ~ {high}).{level}",
    "why_worse": "{sure}나머지 중 최고인 {one} 설정은 {difference} 뒤집니다(95 % 구간 {low} ~"
    " {high}).{level}",
    "sure": "탐색에 쓰지 않은 {pairs}쌍에서 새로운 시드 {seeds}개로 확인한 결과, ",
    "why_compared_better": "따로 남겨 둔 {pairs}쌍에서 새로운 시드 {seeds}개로 확인한 결과"
    " {difference} 앞섭니다(95 % 구간 {low} ~ {high}).",
    "why_compared_worse": "따로 남겨 둔 {pairs}쌍에서 새로운 시드 {seeds}개로 확인한 결과"
    " {difference} 앞섭니다(95 % 구간 {low} ~ {high}).",
    "why_compared_undecided": "따로 남겨 둔 {pairs}쌍에서 새로운 시드 {seeds}개로 확인한 차이는"
    " {difference}입니다(95 % 구간 {low} ~ {high}).",
    "level_above_it": " 점수({score})는 사진을 그대로 돌려줄 때({noop})보다 좋습니다.",
    "level_below_it": " 점수({score})는 사진을 그대로 돌려줄 때({noop})보다 낫지 않습니다.",
    "level_above_best": " 둘 중 나은 쪽은 {score}, 사진을 그대로 돌려줄 때는 {noop}입니다.",
    "level_below_best": " 둘 중 나은 쪽({score})도 사진을 그대로 돌려줄 때({noop})보다 낫지"
    " 않습니다.",
    "level_stays": " 어느 쪽이든 흐림은 남습니다: 점수({score})가 사진을 그대로 돌려줄"
    " 때({noop})보다 낫지 않습니다.",
    "more_sharp": "더 선명하지는",
    "more_good": "더 좋지는",
    "scale": "점수: 원본 자체가 1입니다.",
    "why_searched": "한 번의 실행에서 {one}의 점수는 {score}{others}입니다. 한 번씩만 실행한 차이는"
    " 우연일 수 있습니다.",
    "recommended_scores": ", 권장 설정은 {score}",
    "unchanged_scores": ", 사진을 그대로 돌려줄 때는 {noop}",
    "next": "다음",
    "trains_here": "{size} px에서 {epochs} 에폭 동안 학습합니다. 학습한 모델은 harness restore로"
    " 어떤 크기의 사진에도 쓸 수 있습니다.",
    "trains_there": "전체 학습({size} px, {epochs} 에폭)의 train.py 명령을 출력합니다.",
    "its_command": "그 명령",
    "next_with_yours": "{folder} 자리에 자신의 사진 쌍 폴더를 넣으십시오.",
    "random_weights": "무작위 신경망으로 평가했습니다: 다른 점수와 비교하지 마십시오",
    "random_weights_note": "점수와 지각 손실은 ImageNet으로 학습한 신경망을 통해 사진을 봅니다. 그"
    " 가중치를 구할 수 없어 시드로 고정한 무작위 신경망을 대신 썼습니다. 이 탐색 안에서 설정의"
    " 순서는"
    " 뜻이 있지만, 다른 탐색의 숫자와는 비교할 수 없습니다. 작은 차이를 믿기 전에 가중치를 갖추어"
    " 다시"
    " 탐색하십시오. 방법은 harness doctor가 알려 줍니다.",
    "finalists": "최종 후보",
    "finalists_note": "탐색의 상위 설정과 가이드의 권장 설정을 다시 학습한 결과입니다:"
    " {steps}단계, 새로운 시드 {seeds}개, 따로 남겨 둔 {pairs}쌍."
    " 입력을 그대로 두면 {noop}점입니다.",
    "compared_note": "두 설정을 같은 시드로 학습한 결과입니다: {steps}단계, 새로운 시드 {seeds}개,"
    " 따로 남겨 둔 {pairs}쌍. 입력을 그대로 두면 {noop}점입니다.",
    "eyes": "눈으로 한 비교",
    "eyes_agree": "가려 놓고 비교한 {decided}쌍 가운데 {agreed}쌍에서 눈과 점수가 일치했습니다"
    "({share}, 쌍이 서로 독립이라고 볼 때 95 % 구간 {low}~{high}).",
    "eyes_few": "가려 놓고 비교한 {decided}쌍 가운데 {agreed}쌍에서 눈과 점수가 일치했습니다"
    "({share}, 구간을 구하기에는 너무 적습니다).",
    "eyes_undecided": "차이가 보이지 않거나 점수가 같은 쌍은 {undecided}개입니다.",
    "eyes_chosen": "더 선명하다고 고른 횟수",
    "eyes_of": "{of}번 중 {chosen}번",
    "finding_supported": "뒷받침됨",
    "finding_contradicted": "반대로 나타남",
    "finding_open": "증거 부족",
    "mean_score": "평균 점수",
    "interval": "95 % 구간(다른 시드)",
    "repeats": "실행 수",
    "diverged": "발산",
    "no_baseline_note": "가이드의 권장 설정이 완료되지 않아 비교할 대상이 없습니다.",
    "failures_first": "이유는 “일찍 끝난 시도”에 있습니다.",
    "winner": "가장 좋은 시도",
    "leader": "앞서 있는 시도",
    "recommended_short": "가이드 권장",
    "problem_short": "가이드의 흐린 설정",
    "noop_short": "입력 그대로",
    "warm_start_short": "공통 시작 모델",
    "strip": "같은 부분을 설정마다 복원한 모습",
    "strip_note": "어떤 시도도 학습하지 않은 검증용 사진에서 보정으로 가장 많이 바뀐 부분입니다."
    " 사진을 누르면 비교할 수 있고, 길게 누르면(또는 스페이스 바를 누르고 있으면) 그 자리에 원본이"
    " 보입니다. {scores}",
    "strip_scores": "점수는 그 사진을 만든 실행의 검증용 사진 평균입니다.",
    "strip_without_scores": "이 사진들은 탐색의 실행에서 나온 것입니다. 결정은 다른 사진에서 더"
    " 오래 학습한 최종 후보의 점수(아래)를 따릅니다.",
    "compare": "비교",
    "close": "닫기",
    "pictures": "모든 사진을 나란히 보기",
    "pictures_note": "손잡이를 끌거나 화살표 키를 쓰십시오.",
    "no_pictures": "사진이 없습니다. 탐색 폴더에 패널이 없습니다.",
    "as_is_short": "train.py 그대로 최고",
    "recipe_perceptual": "지각 손실 사용",
    "recipe_lower_L1": "낮은 L1",
    "recipe_stronger_D": "깊은 판별자",
    "recipe_lsgan": "LSGAN",
    "recipe_progressive": "단계적 학습의 첫 단계",
    "recipe_alternative": "지각 손실 없는 가이드의 선택",
    "recipe_warp": "권장 설정, 픽셀 이동",
    "scores": "점수",
    "scores_note": "새로운 시드 {seeds}개와 따로 남겨 둔 {pairs}쌍의 평균, 그리고 다른 시드에 대한"
    " 95 % 구간입니다. 세로선은 사진을 그대로 돌려줄 때의 점수입니다.",
    "oracle_note": "변형 자체를 되돌린 결과(상한)는 검증용 사진에서 {oracle}입니다.",
    "scores_searched_note": "반복 없이 한 번씩 실행한 점수라 구간이 없습니다. 세로선은 사진을"
    " 그대로"
    " 돌려줄 때의 점수입니다.",
    "higher_better": "높을수록 좋습니다.",
    "lower_better": "낮을수록 좋습니다.",
    "effects": "어떤 설정이 중요한가",
    "effects_note": "점은 다른 설정이 같을 때 가이드의 조언 하나를 따르면 점수가 얼마나 오르는지,"
    " 막대는 95 % 구간입니다. 막대가 세로선에 걸치면 아무것도 확인되지 않은 것입니다. 탐색이 고른"
    " 짧은"
    " 시도에 직선을 맞춘 것이므로 방향만 참고하십시오.",
    "effects_moves": "픽셀을 옮기는 생성기(완료된 시도 {trials}회)",
    "effects_repaints": "train.py처럼 다시 그리는 생성기(완료된 시도 {trials}회)",
    "effects_all": "완료된 시도 {trials}회",
    "effects_few": "완료된 시도가 적어 설정의 영향을 알 수 없습니다.",
    "claim_perceptual": "지각 손실 사용",
    "claim_lower_L1": "lambda_L1을 절반으로",
    "claim_deeper_D": "판별자를 한 층 더",
    "claim_lsgan": "vanilla 대신 lsgan",
    "claim_lower_lr": "lr을 절반으로",
    "contents": "차례",
    "endings_moves": "픽셀 이동",
    "endings_repaints": "다시 그리기",
    "alike_note": "두 종류의 생성기를 모두 시험했습니다. 아래 그림은 가장 좋은 것과 같은 종류의"
    " 시도입니다.",
    "setting": "설정",
    "left": "왼쪽",
    "right": "오른쪽",
    "picture": "사진",
    "split": "왼쪽 사진이 끝나는 위치(퍼센트)",
    "retouched": "보정본(입력)",
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
    "pruned_at_last": "조기 중단(마지막 평가 값)",
    "best_so_far": "그때까지의 최고",
    "settings": "각 설정의 영향",
    "slices_note": "완료된 모든 시도를 설정 하나씩 기준으로 그렸습니다. 별은 가장 좋은 시도, 색칠한"
    " 구간은 가이드의 구간입니다. 다른 설정들은 시도마다 다릅니다.",
    "parallel": "설정을 함께 보기",
    "parallel_note": "선 하나가 완료된 시도 하나입니다. 진할수록 점수가 높고, 상위 8분의 1은"
    " 초록색입니다.",
    "front": "둘 다에서 뒤지지 않음",
    "front_title": "두 가지 목표",
    "front_note": "완료된 모든 시도를 두 목표로 나타냈습니다. 초록색 시도보다 한쪽에서 더 좋으면서"
    " 다른 쪽에서 뒤지지 않는 시도는 없습니다. 그중 무엇을 쓸지는 취향입니다.",
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
    "fell_back": "점수는 {best_step}단계에서 가장 좋았고({best}) 그보다 나쁘게 끝났습니다({last})."
    " 과적합이거나 학습이 불안정하다는 징후입니다.",
    "held_up": "마지막 점수는 {last}, 최고는 {best_step}단계의 {best}입니다. 과적합의 징후가"
    " 없습니다.",
    "endings": "일찍 끝난 시도",
    "endings_none": "모든 시도가 끝까지 실행되었습니다.",
    "reason": "이유",
    "how_many": "시도",
    "no_reason": "기록 없음",
    "state_complete": "완료",
    "state_pruned": "조기 중단",
    "state_fail": "실패",
    "state_running": "실행 중",
    "state_waiting": "대기",
    "table": "모든 시도의 표",
    "table_note": "제목을 누르면 그 열로 정렬합니다.",
    "definition": "점수의 뜻",
    "definition_1": "boundary_sharpness는 0과 1 사이이고 원본 자체가 1입니다. 보정된 영역을"
    " 사진 짧은 변의 2%만큼 넓힌 곳에서 계산합니다.",
    "definition_2": "사진 한 장의 점수 = exp(-(D + E + Lrel)). D: 원본에 비해 부족한 세부(세 가지"
    " 크기의 라플라시안 국소 분산), 곧 흐림. E: 지나친 세부: 잡음, 링잉, 격자무늬. Lrel: 원본과의"
    " LPIPS 거리를 복원하지 않은 입력의 거리로 나눈 값. 1이면 아무것도 하지 않은 것과 같습니다.",
    "definition_3": "탐색의 점수는 검증용 사진의 평균입니다. 같은 사진, 같은 크기, 같은 가중치일"
    " 때만 비교할 수 있습니다.",
    "provenance": "숫자의 출처",
    "reproduce": "직접 실행하기",
    "repeat_recommended": "권장 설정의 짧은 학습 반복하기",
    "full_recommended": "권장 설정으로 끝까지 학습하기",
    "repeat": "가장 좋은 시도의 짧은 학습 반복하기",
    "full": "가장 좋은 설정으로 끝까지 학습하기",
    "first_command": "첫 번째 명령",
    "second_command": "두 번째 명령",
    "copy": "복사",
    "copied": "복사됨",
    "space": "탐색 공간",
    "skip": "본문으로 건너뛰기",
}
