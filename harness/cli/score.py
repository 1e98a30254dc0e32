"""`harness score`: score restored pictures or a model, alone or against another."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.cli.options import to_stderr
from harness.errors import UserInputError, inline, printable
from reports.texts.numbers import quantity

if TYPE_CHECKING:
    from harness.config.settings import Direction
    from harness.evaluation.folder_scoring import FolderScore, PictureFiles
    from harness.evaluation.score_comparison import Comparison
    from objectives.score import Objective

# Columns of the table of the worst pictures: as many as fit beside a name into 80 characters.
COLUMNS = ("score", "against", "D", "E", "Lrel", "ciede2000")
WORST = 5


def score(
    pred: Annotated[
        Path | None,
        typer.Option(help="Restored pictures; those of --input show what doing nothing scores."),
    ] = None,
    target: Annotated[Path | None, typer.Option(help="Their originals.")] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Masks, white where a picture was warped.")
    ] = None,
    input_: Annotated[
        Path | None,
        typer.Option("--input", help="Retouched pictures; without --mask it is found from them."),
    ] = None,
    region: Annotated[
        Literal["flow", "difference"],
        typer.Option(
            help="How to find it without --mask: by movement or, faster, by any difference."
        ),
    ] = "flow",
    results: Annotated[
        Path | None, typer.Option(help="A folder that pix2pix's test.py wrote, instead of these.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="A latest_net_G.pth that restores the pairs of --data, instead."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Pairs: those in test/, or without it in val/, are scored.")
    ] = None,
    direction: Annotated[
        Literal["AtoB", "BtoA"],
        typer.Option(help="Which half of --data is retouched: the first letter."),
    ] = "AtoB",
    against: Annotated[
        Path | None,
        typer.Option(
            help="What to compare with: another model (without it, the input unchanged); or, as "
            "--pred or --results, a folder of the same pictures."
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all values to this file.")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write a line per picture to this file.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    weights: Annotated[
        Literal["auto", "pretrained", "random"], typer.Option(help="Weights of LPIPS's network.")
    ] = "auto",
    objective: Annotated[
        str,
        typer.Option(
            help="boundary_sharpness; boundary_sharpness_vgg or ..._squeeze, by another network of "
            "LPIPS; or your own as package.module:factory."
        ),
    ] = "boundary_sharpness",
) -> None:
    """Score a model, or restored pictures, where they were warped.

    Are they sharp, and right? Files are paired by name.

    Example: harness score --model new_G.pth --data pairs --against old_G.pth
    """
    from harness.evaluation.folder_scoring import score_files
    from harness.evaluation.score_comparison import compare_scores
    from harness.paths import check_file, write_atomically
    from harness.trials.devices import resolve_device

    for flag, file in (("--json", json_file), ("--csv", csv_file)):
        if file is not None:
            check_file(file, flag)
    place = resolve_device(device)
    with TemporaryDirectory() as folder:
        others: list[PictureFiles] | None
        if model is not None or data is not None:
            if any(given is not None for given in (pred, target, mask, input_, results)):
                raise UserInputError(
                    "--model and --data are scored instead of pictures: leave out --pred, "
                    "--target, --mask, --input and --results."
                )
            files, others = files_of_models(model, data, direction, against, place, Path(folder))
        else:
            files, others = files_of_folders(pred, target, mask, input_, results, against)
        chosen = chosen_objective(objective, place, weights)
        found = score_files(files, chosen, region, to_stderr)
        other = score_files(others, chosen, region, to_stderr) if others else None
    figures = as_json(found, chosen.name, chosen.weights)
    if other is not None:
        comparison = compare_scores(found.score, other.score, chosen.direction)
        add_comparison(figures, str(against or "the input unchanged"), other, comparison)
    if json_file is not None:
        write_atomically(json_file, json_text(figures))
    if csv_file is not None:
        import pandas as pd

        from reports.export.trials_table import as_csv

        write_atomically(csv_file, as_csv(pd.DataFrame(figures["images"])))
    print_table(figures, chosen.direction)


def files_of_models(
    model: Path | None,
    data: Path | None,
    direction: "Direction",
    against: Path | None,
    device: str,
    folder: Path,
) -> "tuple[list[PictureFiles], list[PictureFiles]]":
    """The pairs as the model restored them into `folder`, and what to compare with: the same by
    the other model, or unchanged.

    Raises:
        UserInputError: one of `model` and `data` is missing, or cannot be used.
    """
    from harness.evaluation.model_scoring import restored_pairs, unchanged_pairs
    from harness.evaluation.restore import load_generator

    if model is None or data is None:
        raise UserInputError(
            "--model and --data belong together: a latest_net_G.pth, and pairs that it restores."
        )
    for each in filter(None, (model, against)):
        load_generator(each)  # refused before a large folder of pairs is read
    pairs = unchanged_pairs(data, direction, folder, to_stderr)
    files = restored_pairs(model, pairs, device, folder / "restored", to_stderr)
    if against is None:
        return files, pairs
    return files, restored_pairs(against, pairs, device, folder / "against", to_stderr)


def files_of_folders(
    pred: Path | None,
    target: Path | None,
    mask: Path | None,
    retouched: Path | None,
    results: Path | None,
    against: Path | None,
) -> "tuple[list[PictureFiles], list[PictureFiles] | None]":
    """The files to score, found by the options, and those to compare with.

    Raises:
        UserInputError: the options contradict each other, or the folders do not match.
    """
    from harness.evaluation.folder_scoring import match_folders, match_results
    from harness.evaluation.score_comparison import restored_otherwise

    if results is not None:
        if any(folder is not None for folder in (pred, target, mask, retouched)):
            raise UserInputError(
                "--results already names restored, original and retouched pictures: leave out "
                "--pred, --target, --mask and --input."
            )
        files = match_results(results, to_stderr)
    elif pred is None or target is None:
        raise UserInputError("Give --pred and --target, or --results, or --model and --data.")
    else:
        files = match_folders(pred, target, mask, retouched, to_stderr)
    if against is None:
        return files, None
    return files, restored_otherwise(files, against, results is not None, to_stderr)


def chosen_objective(name: str, place: str, policy: str) -> "Objective":
    """The objective to score with.

    Raises:
        UserInputError: it or its weights cannot be used.
    """
    from harness.errors import as_user_input_error
    from objectives.loading import load_objective, trunk_of
    from objectives.weights import resolve_weights

    with as_user_input_error(ValueError, FileNotFoundError):
        return load_objective(name, resolve_weights(policy, (trunk_of(name),)), place)


def as_json(found: "FolderScore", name: str, weights: str) -> dict[str, Any]:
    """The content of the `--json` file."""
    components = dict(found.score.components)
    counts = {key: int(components.pop(key)) for key in ("n", "n_scored")}
    return {
        "score": found.score.value,
        **counts,
        "objective": name,
        "weights": weights,
        "lpips_reference": found.lpips_reference,
        "components": components,
        "images": list(found.score.per_image),
    }


def add_comparison(
    figures: dict[str, Any], against: str, other: "FolderScore", comparison: "Comparison"
) -> None:
    """Add the scores of what is compared with to the content of the `--json` file."""
    from harness.evaluation.score_comparison import scores_by_name

    others = scores_by_name(other.score)
    figures["images"] = [
        {**row, "against": others.get(str(row["name"]))} for row in figures["images"]
    ]
    lead = comparison.lead
    figures["against"] = {
        "name": against,
        "score": other.score.value,
        "lead": None if lead is None else lead.model_dump(),
        "better": comparison.better,
        "n": comparison.pictures,
    }


def json_text(figures: dict[str, Any]) -> str:
    """JSON, with null for non-finite numbers, which a user's own objective may give."""
    finite = json.loads(json.dumps(figures), parse_constant=lambda _: None)
    return json.dumps(finite, indent=2, ensure_ascii=False) + "\n"


def print_table(figures: dict[str, Any], direction: str) -> None:
    """Print the score, the mean components, and the worst pictures."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from reports.texts.numbers import number

    console = Console()
    console.begin_capture()  # Rich would end the program at a broken pipe
    components = figures["components"]
    console.print(
        f"[bold]{escape(printable(figures['objective']))} {number(figures['score'])}[/bold]  "
        f"({'higher' if direction == 'maximize' else 'lower'} is better; "
        f"{figures['n_scored']} of {quantity(figures['n'], 'picture')} scored; median "
        f"{number(components['median'])}, worst tenth {number(components['worst_tenth'])}; "
        f"weights: {figures['weights']})"
    )
    if figures["weights"] == "random":
        console.print(
            "WEIGHTS ARE RANDOM: compare these figures only with others of random weights."
        )
    ranked = sorted(
        (row for row in figures["images"] if "score" in row),
        key=lambda row: row["score"],
        reverse=direction == "minimize",
    )[:WORST]
    means = Table("component", "mean")
    for key, value in components.items():
        means.add_row(escape(printable(key)), number(value))
    console.print(means)
    columns = [key for key in COLUMNS if key in ranked[0]]
    worst = Table("worst pictures", *columns)
    for row in ranked:
        values = ("-" if row[key] is None else f"{row[key]:.3f}" for key in columns)
        worst.add_row(escape(printable(row["name"])), *values)
    console.print(worst)
    if "against" in figures:
        console.print(escape(comparison_sentence(figures["against"])), soft_wrap=True)
    print(console.end_capture(), end="")


def comparison_sentence(against: dict[str, Any]) -> str:
    """Whether the pictures score better than those that they are compared with, in words."""
    from reports.texts.numbers import number, signed

    other = f"Against {inline(against['name'])}, which scores {number(against['score'])}"
    pictures, lead = quantity(against["n"], "picture"), against["lead"]
    if lead is None:
        return f"{other}: nothing can be said with {pictures}."
    if lead["low"] > 0:
        verdict = "reliably better"
    else:
        verdict = "reliably worse" if lead["high"] < 0 else "no reliable difference"
    return (
        f"{other}: {verdict}, {signed(lead['mean'])} (95 % interval {signed(lead['low'])} to "
        f"{signed(lead['high'])} for other pictures), better in {against['better']} of {pictures}."
    )
