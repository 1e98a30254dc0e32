"""The words of a search, defined in English and Korean; docs/glossary.md has the same ones."""

WORDS = (
    "guide",
    "study",
    "trial",
    "seed",
    "budget",
    "profile",
    "space",
    "sampler",
    "rung",
    "pruned",
    "recipe",
    "kinds",
    "warm_start",
    "unchanged",
    "oracle",
    "held_out",
    "leader",
    "finalist",
    "winner",
    "interval",
    "D",
    "E",
    "Lrel",
    "LPIPS",
    "score",
    "weights",
)

OF_THE_SCORE = ("D", "E", "Lrel", "LPIPS", "score")
"""The words that explain boundary_sharpness, and no objective of the user's own."""

ENGLISH = {
    "glossary": "Words",
    "word_guide": "the guide",
    "means_guide": "a how-to for pix2pix models that blur retouched portraits: five methods, eight"
    " settings and advice, which a search puts to the test",
    "word_study": "study",
    "means_study": "one search and its record: all trials under one name, which the same command"
    " goes on with",
    "word_trial": "trial",
    "means_trial": "one short training with one setting",
    "word_seed": "seed",
    "means_seed": "the number that decides everything random in a training, such as the order of"
    " the pictures: what holds on several seeds is not luck",
    "word_budget": "budget",
    "means_budget": "how many trials a search runs, the finalists' runs among them",
    "word_profile": "profile",
    "means_profile": "how large pictures, networks and trials are: quick for a CPU, standard for a"
    " GPU, full for a night",
    "word_space": "search space",
    "means_space": "what a search may try: the settings and the values that each may have",
    "word_sampler": "sampler",
    "means_sampler": "what chooses the next trial's settings, by the results so far (TPE unless"
    " you say otherwise)",
    "word_rung": "rung",
    "means_rung": "a step of a trial at which its pictures are scored; a hopeless trial is stopped"
    " there (pruned)",
    "word_pruned": "pruned",
    "means_pruned": "stopped at a rung because the score was too low to go on; not failed",
    "word_recipe": "recipe",
    "means_recipe": "a named setting that a search tries first: the guide's eight, recommended"
    " among them, and warp",
    "word_kinds": "repaint, move pixels",
    "means_kinds": "the two kinds of generator: pix2pix's own paints every pixel anew; the other"
    " (warp) predicts where the retouching moved the pixels, and moves them back",
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
    "word_interval": "95 % interval",
    "means_interval": "the range that holds the true value in at least 95 of 100 cases: a lead"
    " whose whole interval lies above zero is hardly luck",
    "word_D": "D",
    "means_D": "detail that is missing in the warped region: blur",
    "word_E": "E",
    "means_E": "detail too much there: noise, ringing, checkerboard",
    "word_Lrel": "Lrel",
    "means_Lrel": "how unlike the original it looks (LPIPS), with the input unchanged at 1",
    "word_LPIPS": "LPIPS",
    "means_LPIPS": "how different two pictures look, by a network trained on photographs: 0 is no"
    " difference",
    "word_score": "score",
    "means_score": "exp(-(D + E + Lrel)): 1 is the original itself",
    "word_weights": "weights: random",
    "means_weights": "the pretrained weights of LPIPS and of the perceptual term were not at hand,"
    " and random ones took their place: compare such scores with one another only",
}

KOREAN = {
    "glossary": "용어",
    "word_guide": "가이드",
    "means_guide": "보정된 인물 사진이 흐려지는 pix2pix 모델을 위한 안내서. 다섯 가지 방법과 여덟"
    " 가지 설정을 권하며, 탐색은 이를 실험으로 확인합니다",
    "word_study": "스터디(study)",
    "means_study": "탐색 한 번과 그 기록. 모든 시도가 한 이름 아래 있으며, 같은 명령을 다시"
    " 실행하면 이어집니다",
    "word_trial": "시도(trial)",
    "means_trial": "한 가지 설정으로 하는 짧은 학습 한 번",
    "word_seed": "시드(seed)",
    "means_seed": "사진 순서처럼 학습에서 무작위인 모든 것을 정하는 수. 여러 시드에서 같은"
    " 결과라면 우연이 아닙니다",
    "word_budget": "예산(budget)",
    "means_budget": "탐색이 실행하는 시도의 수. 최종 후보의 실행도 포함합니다",
    "word_profile": "프로필(profile)",
    "means_profile": "사진, 네트워크, 시도의 크기. quick은 CPU, standard는 GPU, full은"
    " 하룻밤용입니다",
    "word_space": "탐색 공간",
    "means_space": "탐색이 시험할 수 있는 설정과 각 설정이 가질 수 있는 값",
    "word_sampler": "샘플러(sampler)",
    "means_sampler": "지금까지의 결과를 보고 다음 시도의 설정을 고르는 방법. 따로 정하지 않으면"
    " TPE입니다",
    "word_rung": "평가 단계(rung)",
    "means_rung": "시도 중간에 사진을 평가하는 단계. 가망이 없는 시도는 여기서 중단합니다",
    "word_pruned": "조기 중단(pruned)",
    "means_pruned": "점수가 낮아 평가 단계에서 중단한 시도. 실패한 것은 아닙니다",
    "word_recipe": "레시피(recipe)",
    "means_recipe": "탐색이 먼저 시험하는 이름 붙은 설정. 권장 설정을 포함한 가이드의 여덟 가지와"
    " warp입니다",
    "word_kinds": "다시 그리기, 픽셀 옮기기",
    "means_kinds": "생성기의 두 종류. pix2pix의 생성기는 모든 픽셀을 새로 그리고, 다른"
    " 하나(warp)는 보정이 픽셀을 어디로 옮겼는지 예측해 되돌려 놓습니다",
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
    "word_interval": "95 % 구간",
    "means_interval": "100번 중 적어도 95번은 참값이 들어 있는 범위. 차이의 구간 전체가 0보다 크면"
    " 우연이라고 보기 어렵습니다",
    "word_D": "D",
    "means_D": "변형된 영역에서 부족한 세부, 곧 흐림",
    "word_E": "E",
    "means_E": "변형된 영역에서 지나친 세부: 잡음, 링잉, 격자무늬",
    "word_Lrel": "Lrel",
    "means_Lrel": "원본과 달라 보이는 정도(LPIPS). 입력을 그대로 두면 1입니다",
    "word_LPIPS": "LPIPS",
    "means_LPIPS": "사진으로 학습한 네트워크가 보는 두 사진의 차이. 0이면 차이가 없습니다",
    "word_score": "점수",
    "means_score": "exp(-(D + E + Lrel)). 원본 자신이 1입니다",
    "word_weights": "weights: random",
    "means_weights": "LPIPS와 지각 손실의 사전 학습된 가중치가 없어 무작위 가중치를 쓴 경우. 이런"
    " 점수는 서로끼리만 비교하십시오",
}
