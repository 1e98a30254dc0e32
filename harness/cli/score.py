"""`harness score`: score a folder of restored pictures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.cli.options import to_stderr
from harness.errors import printable
from reports.texts.numbers import quantity

if TYPE_CHECKING:
    from harness.evaluation.folder_scoring import FolderScore, PictureFiles, Region

# Columns of the table of the worst pictures: as many as fit beside a name into 80 characters.
COLUMNS = ("score", "D", "E", "Lrel", "ciede2000")
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
    """Score restored pictures where they were warped: sharp, and right. Pairs files by name.

    Example: harness score --pred restored --target originals --input retouched
    """
    from harness.paths import check_file, write_atomically

    for flag, file in (("--json", json_file), ("--csv", csv_file)):
        if file is not None:
            check_file(file, flag)
    files = chosen_files(pred, target, mask, input_, results)
    chosen, found = score_with(files, objective, device, weights, region)
    figures = as_json(found, chosen.name, chosen.weights)
    if json_file is not None:
        write_atomically(json_file, json_text(figures))
    if csv_file is not None:
        import pandas as pd

        from reports.export.trials_table import as_csv

        write_atomically(csv_file, as_csv(pd.DataFrame(figures["images"])))
    print_table(figures, chosen.direction)


def chosen_files(
    pred: Path | None,
    target: Path | None,
    mask: Path | None,
    input_: Path | None,
    results: Path | None,
) -> "list[PictureFiles]":
    """The files to score, found by the options.

    Raises:
        UserInputError: the options contradict each other, or the folders do not match.
    """
    from harness.errors import UserInputError
    from harness.evaluation.folder_scoring import match_folders, match_results

    if results is not None:
        if any(folder is not None for folder in (pred, target, mask, input_)):
            raise UserInputError(
                "--results already names restored, original and retouched pictures: leave out "
                "--pred, --target, --mask and --input."
            )
        return match_results(results, to_stderr)
    if pred is None or target is None:
        raise UserInputError("Give --pred and --target, or --results.")
    return match_folders(pred, target, mask, input_, to_stderr)


def score_with(
    files: "list[PictureFiles]", name: str, device: str, policy: str, region: "Region"
) -> "tuple[Any, FolderScore]":
    """The objective, and the scores that it gives the files.

    Raises:
        UserInputError: the objective, its weights or the device cannot be used, or a file is bad.
    """
    from harness.errors import as_user_input_error
    from harness.evaluation.folder_scoring import score_files
    from harness.trials.devices import resolve_device
    from objectives.loading import load_objective, trunk_of
    from objectives.weights import resolve_weights

    place = resolve_device(device)
    with as_user_input_error(ValueError, FileNotFoundError):
        weights = resolve_weights(policy, (trunk_of(name),))
        chosen = load_objective(name, weights, place)
    return chosen, score_files(files, chosen, region, to_stderr)


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
        worst.add_row(escape(printable(row["name"])), *(f"{row[key]:.3f}" for key in columns))
    console.print(worst)
    print(console.end_capture(), end="")
