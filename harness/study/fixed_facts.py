"""The facts that must not change within a study, and how an error message names a change."""

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

# Facts that also determine the pairs: how they are drawn, scaled and oriented.
PAIR_FACTS = {"seed", "profile", "train", "direction_of_pairs"}

# How many differing settings a message names at most.
MAX_NAMED = 4


def fixed_facts(setup: StudySetup) -> dict[str, Any]:
    """The facts of `FIXED_FACTS`, without paths in the run folder, which may be moved."""
    facts = setup.as_data()
    data, train, program = facts["data"], dict(facts["train"]), facts["program"]
    facts |= {"data_digest": data["digest"], "direction_of_pairs": data["direction"]}
    facts |= {"precision": train.pop("precision"), "train": train}
    if program:
        facts["program"] = {key: program[key] for key in program if key not in ("pairs", "inputs")}
    return {key: facts[key] for key in FIXED_FACTS}


def difference(key: str, old: Any, new: Any) -> str:
    """A fact that differs, for a message, with its two values if both are short.

    For the space and the training settings, the entries that differ.
    """
    if key == "data_digest":
        return f"{FIXED_FACTS[key]} (some were added, removed or changed, or the folder is another)"
    if key == "space":
        old, new = (yaml.safe_load(text)["params"] for text in (old, new))
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return FIXED_FACTS[key] + (f" ({change})" if (change := old_and_new(old, new)) else "")
    names = [name for name in old | new if old.get(name) != new.get(name)]
    changes = [f"{name} {old_and_new(old.get(name), new.get(name))}".strip() for name in names]
    more = f"; and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return FIXED_FACTS[key] + (f" ({'; '.join(changes[:MAX_NAMED])}{more})" if names else "")


def old_and_new(old: Any, new: Any) -> str:
    """`3, now 4`; "" if one of them is long, a range or missing."""
    values = [str(old), str(new)]
    plain = not any(value is None or isinstance(value, dict) for value in (old, new))
    return ", now ".join(values) if plain and max(map(len, values)) <= 40 else ""
