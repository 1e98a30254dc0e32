"""Studies as the driver leaves them, made in memory without any training."""

import math
import random
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from reports.record.format import VERSION
from search_spaces.recipes import load_recipes

SPACE = {
    "lambda_L1": FloatDistribution(10, 500, log=True),
    "lambda_perceptual": FloatDistribution(0, 30, step=2.5),
    "n_layers_D": IntDistribution(2, 5),
    "gan_mode": CategoricalDistribution(("vanilla", "lsgan")),
    "lr": FloatDistribution(5e-5, 4e-4, log=True),
}
RECIPES = {name: params.model_dump() for name, params in load_recipes().items()}
BEST = RECIPES["recommended"]
RUNGS = (160, 220, 280, 340, 400)
TRAIN = {
    "netG": "unet_128",
    "ngf": 16,
    "ndf": 16,
    "norm": "batch",
    "dropout": True,
    "preprocess": "scale_width_and_crop",
    "load_size": 128,
    "crop_size": 128,
    "flip": True,
    "batch_size": 1,
    "beta1": 0.5,
    "steps": 400,
    "rungs": list(RUNGS),
    "precision": "float32",
    "ema_decay": 0.98,
    "ema_every": 4,
    "perceptual_layers": ["relu1_1", "relu2_1"],
    "perceptual_window": 64,
    "warm_start_steps": 2000,
    "warm_discriminator_steps": 200,
    "warm_start_lr_warp": 2e-4,
}
SPACE_TEXT = """params:
  lambda_L1: {type: float, low: 10.0, high: 500.0, log: true}
  lambda_perceptual: {type: float, low: 0.0, high: 30.0, step: 2.5}
  n_layers_D: {type: int, low: 2, high: 5}
  gan_mode: {type: categorical, choices: [vanilla, lsgan]}
  lr: {type: float, low: 0.00005, high: 0.0004, log: true}
"""


def study_attrs(name: str = "boundary-sharpness", **changed: Any) -> dict[str, Any]:
    """What the driver notes on a study."""
    return {
        "name": name,
        "direction": "maximize",
        "objective": "boundary_sharpness",
        "space": SPACE_TEXT,
        "space_name": "default",
        "profile": "quick",
        "train": TRAIN,
        "data": {
            "digest": "0123456789abcdef",
            "source": "built-in pairs",
            "folder": None,
            "direction": "AtoB",
            "n_train": 48,
            "n_val": 12,
            "n_test": 0,
        },
        "worst_score": None,
        "objectives": None,
        "guards": {},
        "sampler": None,
        "pruner": None,
        "init_from": [],
        "pinned": {},
        "trainer": "builtin",
        "program": None,
        "repository": None,
        "identity": "1" * 32,
        "record_version": VERSION,
        "weights": "pretrained",
        "seed": 0,
        "device": "cpu",
        "versions": {"python": "3.11.7", "torch": "2.15.0", "optuna": "5.0.0", "harness": "0.1.0"},
        "baseline": {"noop": 0.22, "warm_start": 0.219, "oracle": 0.96},
        "warm_start": "shared",
        "warm_start_folder": "/runs/boundary-sharpness/checkpoints/warm_start",
        "budget": 50,
        "created": "2026-11-23T20:00:00+00:00",
        "mlflow_run": "parent-run",
        "host": "machine",
    } | changed


def value_at(params: dict[str, Any], step: int, noise: float) -> float:
    """A made-up score: best at low L1, some perceptual term and lsgan; rises with the steps."""
    end = (
        0.25
        - 0.012 * abs(math.log(params["lambda_L1"] / 60))
        - 0.0006 * abs(params["lambda_perceptual"] - 10)
        + (0.006 if params["gan_mode"] == "lsgan" else 0)
        - 0.01 * abs(math.log(params["lr"] / 1.5e-4))
    )
    return end * (1 - 0.3 * math.exp(-step / 150)) + noise


def losses_at(params: dict[str, Any], step: int) -> dict[str, float]:
    fall = math.exp(-step / 300)
    losses = {
        "G_GAN": 0.9 + 0.01 * math.sin(step),
        "G_L1": params["lambda_L1"] * (0.03 + 0.02 * fall),
        "D_real": 0.5,
        "D_fake": 0.5,
    }
    if params["lambda_perceptual"] > 0:
        losses["G_Perceptual"] = params["lambda_perceptual"] * (0.3 + 0.2 * fall)
    return losses


def components_of(value: float) -> dict[str, float]:
    return {"D": 0.4 - value / 2, "E": 0.2, "Lrel": 0.9 - value, "mae": 0.05}


def add_trial(
    study: optuna.Study,
    params: dict[str, Any],
    state: TrialState = TrialState.COMPLETE,
    rungs: Sequence[int] = RUNGS,
    noise: float = 0.0,
    **attrs: Any,
) -> None:
    """One trial with everything the driver notes on it."""
    rows = [
        {
            "step": step,
            "value": (value := value_at(params, step, noise)),
            "components": components_of(value),
            "losses": losses_at(params, step),
        }
        for step in rungs
    ]
    number = len(study.get_trials(deepcopy=False))
    noted = {
        "params": params,
        "seed": 1000 + number,
        "rungs": rows,
        "components": rows[-1]["components"] if rows else {},
        "seconds": 12.5,
        "worker": 0,
        "mlflow_run": f"run-{number}",
    }
    if state == TrialState.COMPLETE:
        noted["per_image"] = [
            {"name": f"p{i}.png", "score": rows[-1]["value"] + 0.01 * (i - 2)} for i in range(5)
        ]
    study.add_trial(
        create_trial(
            state=state,
            value=rows[-1]["value"] if state == TrialState.COMPLETE else None,
            params={name: params[name] for name in SPACE},
            distributions=SPACE,
            intermediate_values={row["step"]: row["value"] for row in rows},
            user_attrs=noted | attrs,
        )
    )


def empty_study(name: str = "boundary-sharpness", **changed: Any) -> optuna.Study:
    study = optuna.create_study(study_name="s", direction="maximize")
    for key, value in study_attrs(name, **changed).items():
        study.set_user_attr(key, value)
    return study


def make_study(
    trials: int = 50, name: str = "boundary-sharpness", seed: int = 0, **changed: Any
) -> optuna.Study:
    """The guide's recipes first, then random settings; some pruned, a few failed or diverged."""
    study = empty_study(name, **changed)
    rng = random.Random(seed)
    for recipe, params in list(RECIPES.items())[:trials]:
        add_trial(study, params, noise=rng.gauss(0, 0.002), recipe=recipe)
    for number in range(len(RECIPES), trials):
        params = {
            "lambda_L1": round(10 * 50 ** rng.random(), 3),
            "lambda_perceptual": 2.5 * rng.randrange(13),
            "n_layers_D": rng.randint(2, 5),
            "gan_mode": rng.choice(("vanilla", "lsgan")),
            "lr": 5e-5 * 8 ** rng.random(),
        }
        noise = rng.gauss(0, 0.002)
        if number % 17 == 16:
            reason = "its worker died 3 times, last: killed by signal 9"
            add_trial(study, params, TrialState.FAIL, (), noise, reason=reason)
        elif number % 19 == 18:
            reason = "diverged: a loss is no longer finite (G_L1 nan)"
            add_trial(study, params, TrialState.PRUNED, RUNGS[:1], noise, reason=reason)
        elif value_at(params, RUNGS[2], noise) < 0.215:
            reason = f"pruned at step {RUNGS[2]}: 0.2100 is below the median there"
            add_trial(study, params, TrialState.PRUNED, RUNGS[:3], noise, reason=reason)
        else:
            add_trial(study, params, noise=noise)
    return study


def finals_of(
    low: float,
    high: float,
    noop: float = 0.317,
    as_is: tuple[float, float] | None = None,
    half: float = 0.01,
    **changed: Any,
) -> dict[str, Any]:
    """What the driver notes of finalists whose lead over the recommended one lies in [low, high].

    Trial 3 is the challenger and trial 6 the recommended setting, which scores 0.29; further rows
    are given by `changed`.

    Args:
        as_is: the ends of the lead of trial 4, which repaints; then trial 3 moves pixels.
        half: half of each mean's interval.
    """

    def row(name: str, trial: int, mean: float, **extras: Any) -> dict[str, Any]:
        return {
            "name": name,
            "trial": trial,
            "recipe": "recommended" if name == "recommended" else None,
            "params": BEST | extras,
            "mean": mean,
            "ci95": [mean - half, mean + half],
            "repeats": 3,
            "diverged": False,
            "components": {"D": 0.3},
        }

    def lead(ends: tuple[float, float]) -> dict[str, float]:
        return {"mean": sum(ends) / 2, "low": ends[0], "high": ends[1]}

    rows = [row("t003", 3, 0.29 + (low + high) / 2), row("recommended", 6, 0.29)]
    found: dict[str, Any] = {"as_is": None}
    if as_is:
        rows[0]["params"]["netG"] = "warp_unet_128"
        rows.insert(1, row("t004", 4, 0.29 + sum(as_is) / 2, netG="unet_128"))
        found["as_is"] = {
            "name": "t004" if sum(as_is) > 0 else "recommended",
            "challenger": "t004",
            "difference": lead(as_is),
            "better": as_is[0] > 0,
            "verdict": "of those that repaint",
            "checkpoint": None,
        }
    return {
        "rows": sorted(rows, key=lambda each: -each["mean"]),
        "baseline": "recommended",
        "winner": "t003" if low + high > 0 else "recommended",
        "runner_up": "recommended" if low + high > 0 else "t003",
        "difference": lead((low, high)),
        "ahead_of_runner_up": lead((low, high)),
        "level": 0.95,
        "better": low > 0,
        "steps": 600,
        "seeds": [1, 2, 3],
        "pairs": 12,
        "noop": noop,
        "runs": 6,
        "verdict": "as the driver says",
        "checkpoint": "checkpoints/f00_net_G.pth",
        **found,
    } | changed


def study_of_both_kinds(trials: int = 12, **changed: Any) -> optuna.Study:
    """A study whose every third trial moves pixels and scores 0.1 more; trial 3 is one of them."""
    study = empty_study(**changed)
    kinds = {"generator": CategoricalDistribution(("repaint", "warp"))}
    plain = make_study(max(trials, len(RECIPES)))
    done = plain.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))[:trials]
    for number, trial in enumerate(done):
        moves = number % 3 == 0
        lift = 0.1 if moves else 0.0
        extras = {"netG": "warp_unet_128" if moves else "unet_128"}
        kind = {"generator": "warp" if moves else "repaint"}
        study.add_trial(
            create_trial(
                value=trial.values[0] + lift,
                params=trial.params | kind,
                distributions=SPACE | kinds,
                user_attrs=trial.user_attrs | {"extras": extras},
            )
        )
    return study
