"""What must not change within a study, and how a refusal names what did."""

from typing import Any

import yaml

from reports.record.study import StudySetup

# Metadata that must not change within a study, with their names in messages.
FIXED_FACTS = {
    "space": "space",
    "profile": "profile",
    "precision": "precision",
    "train": "training settings",
    "data_digest": "set of pictures",
    "direction_of_pairs": "direction",
    "weights": "weights",
    "objective": "objective",
    "objectives": "choice of --pareto or not",
    "trainer": "trainer",
    "program": "program that trains",
    "warm_start": "warm start",
    "init_from": "init-from",
    "seed": "seed",
    "sampler": "sampler",
    "pruner": "pruner",
}

# Facts on which the pairs depend, too: how they are drawn, scaled and turned.
DECIDE_PAIRS = {"seed", "profile", "train", "direction_of_pairs"}

# Settings that a refusal names, of those that differ.
MOST_NAMED = 4


def fixed_facts(setup: StudySetup) -> dict[str, Any]:
    """The facts of `FIXED_FACTS`, without paths in the run folder, which may be moved."""
    facts = setup.as_data()
    data, train, program = facts["data"], dict(facts["train"]), facts["program"]
    facts |= {"data_digest": data["digest"], "direction_of_pairs": data["direction"]}
    facts |= {"precision": train.pop("precision"), "train": train}
    if program:
        facts["program"] = {key: program[key] for key in program if key not in ("pairs", "inputs")}
    return {key: facts[key] for key in FIXED_FACTS}


def difference(key: str, made: Any, given: Any) -> str:
    """A fact that differs, for a message, with its two values if both are short.

    Of the space and of the training settings, those that differ.
    """
    if key == "data_digest":
        return f"{FIXED_FACTS[key]} (some were added, removed or changed, or the folder is another)"
    if key == "space":
        made, given = (yaml.safe_load(text)["params"] for text in (made, given))
    if not (isinstance(made, dict) and isinstance(given, dict)):
        return FIXED_FACTS[key] + (f" ({change})" if (change := both(made, given)) else "")
    names = [name for name in made | given if made.get(name) != given.get(name)]
    changes = [f"{name} {both(made.get(name), given.get(name))}".strip() for name in names]
    more = f"; and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return FIXED_FACTS[key] + (f" ({'; '.join(changes[:MOST_NAMED])}{more})" if names else "")


def both(made: Any, given: Any) -> str:
    """`3, now 4`; "" where one of them is long, a range, or missing on one side."""
    values = [str(made), str(given)]
    plain = not any(value is None or isinstance(value, dict) for value in (made, given))
    return ", now ".join(values) if plain and max(map(len, values)) <= 40 else ""
