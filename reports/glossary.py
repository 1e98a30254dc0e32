"""The words of a search, defined in English and Korean; docs/glossary.md has the same ones."""

WORDS = (
    "guide",
    "trial",
    "rung",
    "recipe",
    "warm_start",
    "unchanged",
    "oracle",
    "held_out",
    "leader",
    "finalist",
    "winner",
    "D",
    "E",
    "Lrel",
    "score",
)

OF_THE_SCORE = ("D", "E", "Lrel", "score")
"""The words that explain boundary_sharpness, and no objective of the user's own."""

ENGLISH = {
    "glossary": "Words",
    "word_guide": "the guide",
    "means_guide": "a how-to for pix2pix models that blur retouched portraits: five methods, eight"
    " settings and advice, which a search puts to the test",
    "word_trial": "trial",
    "means_trial": "one short training with one setting",
    "word_rung": "rung",
    "means_rung": "a step of a trial at which its pictures are scored; a hopeless trial is stopped"
    " there (pruned)",
    "word_recipe": "recipe",
    "means_recipe": "a named setting that a search tries first: the guide's eight, recommended"
    " among them, and warp",
    "word_warm_start": "warm start",
    "means_warm_start": "the model that all trials of a kind continue from, trained once, so that"
    " they differ by their settings alone",
    "word_unchanged": "input unchanged",
    "means_unchanged": "the score of the retouched picture as it is: a setting that scores no more"
    " is no remedy",
    "word_oracle": "oracle (input warped back)",
    "means_oracle": "the score of undoing the retouching exactly: nothing can be much better",
    "word_held_out": "held out",
    "means_held_out": "pairs that no trial was trained or chosen on; only the finalists are scored"
    " on them",
    "word_leader": "leader",
    "means_leader": "the trial with the best score so far, while the search runs",
    "word_finalist": "finalist",
    "means_finalist": "a leader, or the recommended recipe, trained again and longer on fresh"
    " seeds; f00, f01, ... are those runs",
    "word_winner": "winner",
    "means_winner": "the best of the finalists (without finalists, the last leader): what best.yaml"
    " holds",
    "word_D": "D",
    "means_D": "detail that is missing in the warped region: blur",
    "word_E": "E",
    "means_E": "detail too much there: noise, ringing, checkerboard",
    "word_Lrel": "Lrel",
    "means_Lrel": "how unlike the original it looks (LPIPS), with the input unchanged at 1",
    "word_score": "score",
    "means_score": "exp(-(D + E + Lrel)): 1 is the original itself",
}

KOREAN = {
    "glossary": "용어",
    "word_guide": "가이드",
    "means_guide": "보정된 인물 사진이 흐려지는 pix2pix 모델을 위한 안내서. 다섯 가지 방법과 여덟"
    " 가지 설정을 권하며, 탐색은 이를 실험으로 확인합니다",
    "word_trial": "시도(trial)",
    "means_trial": "한 가지 설정으로 하는 짧은 학습 한 번",
    "word_rung": "평가 단계(rung)",
    "means_rung": "시도 중간에 사진을 평가하는 단계. 가망이 없는 시도는 여기서 중단합니다",
    "word_recipe": "레시피(recipe)",
    "means_recipe": "탐색이 먼저 시험하는 이름 붙은 설정. 권장 설정을 포함한 가이드의 여덟 가지와"
    " warp입니다",
    "word_warm_start": "공통 시작 모델(warm start)",
    "means_warm_start": "같은 종류의 모든 시도가 이어서 학습하는 모델. 한 번만 학습하므로 시도들은"
    " 설정만 서로 다릅니다",
    "word_unchanged": "입력 그대로",
    "means_unchanged": "보정본을 손대지 않았을 때의 점수. 이보다 높지 않은 설정은 해결책이"
    " 아닙니다",
    "word_oracle": "상한(oracle)",
    "means_oracle": "보정을 정확히 되돌렸을 때의 점수. 이보다 훨씬 좋을 수는 없습니다",
    "word_held_out": "따로 남겨 둔 쌍",
    "means_held_out": "어떤 시도도 학습하거나 고르는 데 쓰지 않은 쌍. 최종 후보만 여기서"
    " 평가합니다",
    "word_leader": "선두(leader)",
    "means_leader": "탐색 중에 그때까지 점수가 가장 좋은 시도",
    "word_finalist": "최종 후보(finalist)",
    "means_finalist": "선두 설정들과 권장 설정. 새로운 시드로 더 오래 다시 학습하며, f00, f01,"
    " ...은 그 실행의 이름입니다",
    "word_winner": "가장 좋은 시도(winner)",
    "means_winner": "최종 후보 중 가장 좋은 설정(최종 후보가 없으면 마지막 선두). best.yaml에 있는"
    " 설정입니다",
    "word_D": "D",
    "means_D": "변형된 영역에서 부족한 세부, 곧 흐림",
    "word_E": "E",
    "means_E": "변형된 영역에서 지나친 세부: 잡음, 링잉, 격자무늬",
    "word_Lrel": "Lrel",
    "means_Lrel": "원본과 달라 보이는 정도(LPIPS). 입력을 그대로 두면 1입니다",
    "word_score": "점수",
    "means_score": "exp(-(D + E + Lrel)). 원본 자신이 1입니다",
}
