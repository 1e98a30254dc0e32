"""The texts of exported commands' notes and of the provenance, in English and Korean."""

ENGLISH = {
    "note_harness": "The generator moves pixels: the commands train it with this program, from its"
    " best.yaml and with its exact settings. The full training ({full}) is as long as the guide's,"
    " with a falling learning rate; the short one ({short}) about as long as the trial, from"
    " nothing and at a constant rate. To train it in a copy of pytorch-CycleGAN-and-pix2pix"
    " instead, add our model file with harness export --format plugin --repo DIR; harness export"
    " --format command --repo DIR then gives its train.py command.",
    "note_built_in": "The study used built-in pictures: put your own folder of side-by-side pairs"
    " in place of {folder}.",
    "note_layout": "train.py reads side-by-side pairs in a folder train/, and yours have another"
    " layout: convert them with harness data check {folder} --fix NEW, and use NEW as the"
    " --dataroot.",
    "note_copies": "The commands use the options that copies of pytorch-CycleGAN-and-pix2pix of"
    " 2020 to today share. One of before August 2025 also needs --display_id -1 (or a visdom"
    " server){without_gpu}. harness export --repo DIR writes them for your copy, and runs them"
    " there.",
    "note_without_gpu": " and, without a GPU, --gpu_ids -1",
    "note_model": "pix2pix_with_perceptual is the guide's own model file, not part of the public"
    " repository: the first line of the commands writes one of ours into the models/ of a copy that"
    " lacks it.",
    "note_lengths": "The short training ({short}) repeats the trial with its exact settings:"
    " {steps} steps, whole epochs of {epoch} each, at a constant learning rate. The full training"
    " ({full}) is as long as the guide's, with the searched settings rounded to three significant"
    " digits: 1024 px, 1000 + 1000 epochs (method 5: 500 + 500 twice).",
    "note_shared_moving": "The trial continued from the study's shared warm start ({steps} steps"
    " that learn to find what was moved), and so does the short training; the full one starts from"
    " nothing.",
    "note_shared": "The trial continued from the study's shared warm start ({steps} steps with the"
    " guide's blurring setting), and so does the short training; the full one starts from nothing.",
    "note_init_from": "The trial continued from your own model, with a discriminator trained beside"
    " it, and so does the short training; the full one starts from nothing.",
    "note_half_size": "The trial trained its first {steps} steps at half the picture size; the"
    " short training does all of them at full size.",
    "note_average": "The score is that of a running average of the generator's weights (decay"
    " {decay}); train.py keeps the last weights.",
    "note_layers": "The trial's perceptual term compared VGG19's {layers}.",
    "note_random": "The perceptual term and LPIPS used random networks, since the pretrained"
    " weights were not available: search again with them before you rely on it.",
    "note_program": "The trial was run by the program that {file} describes. The short training"
    " ({short}) runs it again, on the pairs as they were prepared for the study. The full one"
    " ({full}) is the same: only you know what makes a full training of it.",
    "note_front": "The search weighed sharpness against LPIPS. best.yaml has, of the settings that"
    " no other beats in both, the one with the best score; harness export --trial N gives any"
    " other.",
    "from_created": "created",
    "from_host": "machine",
    "from_device": "device",
    "from_seed": "seed",
    "from_budget": "budget",
    "from_profile": "profile",
    "from_space_name": "search space",
    "from_weights": "weights",
    "from_warm_start": "warm start",
    "from_objective": "objective",
    "from_mlflow_run": "MLflow run",
    "from_data_digest": "data: digest",
    "from_data_source": "data: source",
    "from_data_folder": "data: folder",
    "from_data_direction": "data: direction",
    "from_data_n_train": "data: training pairs",
    "from_data_n_val": "data: validation pairs",
    "from_data_n_test": "data: held-out pairs",
}

KOREAN = {
    "note_harness": "이 생성기는 픽셀을 옮깁니다. 아래 명령은 best.yaml의 설정을 그대로 써서 이"
    " 프로그램으로 학습합니다. 전체 학습({full})은 가이드와 같은 길이로 학습률을 낮추어 가며"
    " 학습하고, 짧은 학습({short})은 시도와 비슷한 길이로 처음부터 일정한 학습률로 학습합니다."
    " pytorch-CycleGAN-and-pix2pix 사본에서 학습하려면 harness export --format plugin --repo DIR로"
    " 모델 파일을 추가하십시오. 그다음 harness export --format command --repo DIR이 train.py"
    " 명령을 알려 줍니다.",
    "note_built_in": "이 탐색은 내장 사진을 썼습니다. {folder} 자리에 자신의 사진 쌍 폴더를"
    " 넣으십시오.",
    "note_layout": "train.py는 train/ 폴더에서 나란히 붙은 쌍을 읽지만, 이 폴더는 구성이 다릅니다."
    " harness data check {folder} --fix NEW로 변환한 뒤 NEW를 --dataroot로 쓰십시오.",
    "note_copies": "아래 명령은 2020년부터 지금까지의 pytorch-CycleGAN-and-pix2pix 사본에 공통된"
    " 옵션만 씁니다. 2025년 8월 이전의 사본에는 --display_id -1(또는 visdom 서버)도"
    " 필요합니다{without_gpu}. harness export --repo DIR을 쓰면 그 사본에 맞는 명령이 나옵니다.",
    "note_without_gpu": "(GPU가 없으면 --gpu_ids -1도)",
    "note_model": "pix2pix_with_perceptual은 가이드에 딸린 모델 파일로, 공개 저장소에는 없습니다."
    " 명령의 첫 줄은 그 파일이 없는 사본의 models/에 대신할 파일을 넣습니다.",
    "note_lengths": "짧은 학습({short})은 시도를 똑같은 설정으로 반복합니다: 일정한 학습률로"
    " {steps}단계, 한 에폭은 {epoch}단계입니다. 전체 학습({full})은 가이드처럼 1024 px에서 1000 +"
    " 1000 에폭(방법 5는 500 + 500 에폭을 두 번) 학습하며, 탐색한 설정은 유효숫자 세 자리로"
    " 반올림합니다.",
    "note_shared_moving": "이 시도와 짧은 학습은 공통 시작 모델(옮겨진 곳을 찾도록 {steps}단계"
    " 학습)에서 이어서 학습합니다. 전체 학습은 처음부터 학습합니다.",
    "note_shared": "이 시도와 짧은 학습은 공통 시작 모델(가이드의 흐린 설정으로 {steps}단계"
    " 학습)에서 이어서 학습합니다. 전체 학습은 처음부터 학습합니다.",
    "note_init_from": "이 시도와 짧은 학습은 사용자의 모델과, 그 옆에서 학습한 판별자에서 이어서"
    " 학습합니다. 전체 학습은 처음부터 학습합니다.",
    "note_half_size": "이 시도는 처음 {steps}단계를 절반 크기의 사진으로 학습했습니다. 짧은 학습은"
    " 모두 원래 크기로 학습합니다.",
    "note_average": "점수는 생성기 가중치의 이동 평균(감쇠율 {decay})으로 계산했습니다. train.py는"
    " 마지막 가중치를 저장합니다.",
    "note_layers": "이 시도의 지각 손실은 VGG19의 {layers} 층을 비교했습니다.",
    "note_random": "사전 학습된 가중치가 없어 지각 손실과 LPIPS가 무작위 신경망을 썼습니다. 결과를"
    " 믿기 전에 가중치를 갖추어 다시 탐색하십시오.",
    "note_program": "이 시도는 {file}에 적힌 프로그램이 실행했으며, 짧은 학습({short})은 탐색을"
    " 위해 준비된 쌍으로 그것을 다시 실행합니다. 전체 학습({full})도 같습니다. 전체 학습을 어떻게"
    " 하는지는 사용자만 알 수 있습니다.",
    "note_front": "선명도와 LPIPS를 함께 본 탐색입니다. best.yaml에는 두 가지 모두에서 뒤지지 않는"
    " 설정 중 점수가 가장 좋은 것이 있습니다. 다른 설정은 harness export --trial N으로 얻습니다.",
    "from_created": "만든 때",
    "from_host": "컴퓨터",
    "from_device": "장치",
    "from_seed": "시드",
    "from_budget": "전체 시도 수",
    "from_profile": "프로필",
    "from_space_name": "탐색 공간",
    "from_weights": "가중치",
    "from_warm_start": "공통 시작 모델",
    "from_objective": "점수",
    "from_mlflow_run": "MLflow 실행",
    "from_data_digest": "데이터: 다이제스트",
    "from_data_source": "데이터: 출처",
    "from_data_folder": "데이터: 폴더",
    "from_data_direction": "데이터: 방향",
    "from_data_n_train": "데이터: 학습용 쌍",
    "from_data_n_val": "데이터: 검증용 쌍",
    "from_data_n_test": "데이터: 따로 남겨 둔 쌍",
}
