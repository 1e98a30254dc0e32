"""`harness data`: check the user's pairs, make pairs from originals, preview pairs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli.options import Command, to_stderr
from harness.errors import UserInputError
from reports.texts.numbers import quantity

app = typer.Typer(help="Check, make and preview retouched/original pairs.", no_args_is_help=True)


Folder = Annotated[
    Path, typer.Argument(help="A data folder: train/ and val/, A/ and B/; or a list of pairs.")
]


@app.command("check", cls=Command)
def check_command(
    folder: Folder,
    direction: Annotated[
        Literal["AtoB", "BtoA"] | None, typer.Option(help="The direction you mean to train in.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write a page of thumbnails, worst first.")
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(help="Write a corrected copy to this new folder; yours is not changed."),
    ] = None,
) -> None:
    """Report problems in a folder of pairs. Exit code 2 if there are errors, else 0.

    Example: harness data check photos --direction AtoB -o check.html
    """
    from harness.data.files.pair_folders import find_pairs
    from harness.paths import check_file

    pairs = find_pairs(folder)
    if page is not None:
        check_file(page, "-o")

    from harness.data.check.check import check, measure_all
    from harness.data.check.findings import LEVELS
    from harness.data.check.mend import check_place, mend
    from harness.data.files.folder_bit_depth import with_bits
    from harness.data.files.processes import processes_for, with_progress

    pairs = with_bits(pairs)
    if fix is not None:
        check_place(fix, folder)
    total = sum(map(len, pairs.splits.values()))
    facts = measure_all(pairs, processes_for(total))
    result = check(pairs, with_progress(facts, total, "pairs are read", to_stderr), direction)
    typer.echo(result.summary())
    for level in LEVELS:
        for line in result.lines(level):
            typer.echo(line)
    if fix is not None:  # before the page, which may belong into the new folder
        typer.echo(mend(result, fix))
    if page is not None:
        from harness.data.check.page import write_page

        write_page(result, page)
        typer.echo(f"page: {page}")
    if result.worst == "error":
        raise typer.Exit(2)


@app.command("make", cls=Command)
def make_command(
    originals: Annotated[Path, typer.Option(help="A folder of unretouched portraits.")],
    out: Annotated[Path, typer.Option(help="The new data folder.")],
    pairs: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many pairs to make.")] = 100,
    size: Annotated[int, typer.Option(min=64, max=4096, help="Side of a picture, pixels.")] = 512,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="The same seed makes the same pairs.")
    ] = 0,
    jpeg: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Recompress every retouched half at this quality; else every other.",
        ),
    ] = None,
) -> None:
    """Make liquified pairs of portraits, with masks and fields.

    A is the retouched picture, B the original; each field comes with its inverse.

    Example: harness data make --originals portraits --out pairs --pairs 100
    """
    from harness.data.files.processes import processes_for
    from harness.data.synthesis.make_pairs import MakePlan, make_pairs
    from harness.evaluation.made_bounds import made_bounds
    from objectives.weights import resolve_weights
    from reports.commands.train_py import quoted

    plan = MakePlan(out, size, seed, jpeg)
    folder = make_pairs(originals, pairs, plan, processes_for(pairs), to_stderr)
    typer.echo(
        f"{quantity(pairs, 'pair')} in {folder}; look: harness data preview {quoted(str(folder))}"
    )
    weights = resolve_weights("auto", ("alexnet",))
    unchanged, oracle = made_bounds(folder, weights)
    typer.echo(
        f"boundary_sharpness ({weights} weights): doing nothing {unchanged:.3f}, "
        f"warping back {oracle:.3f}; a model's score lies between."
    )


@app.command("preview", cls=Command)
def preview_command(
    folder: Folder,
    direction: Annotated[
        Literal["AtoB", "BtoA"], typer.Option(help="Which half is retouched: the first letter.")
    ] = "AtoB",
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")] = Path(
        "preview.png"
    ),
) -> None:
    """Draw up to eight pairs, their differences and displacements.

    Example: harness data preview photos --direction AtoB -o preview.png
    """
    from harness.data.check.preview import preview, spread
    from harness.data.files.folder_bit_depth import with_bits
    from harness.data.files.pair_folders import find_pairs
    from harness.paths import check_file, replace_atomically

    check_file(out, "-o")
    if out.suffix.lower() != ".png":
        raise UserInputError(f"{out} is not written: the preview is a PNG; name it so with -o.")
    sheet = preview(spread(with_bits(find_pairs(folder))), direction, to_stderr)
    with replace_atomically(out) as aside:
        sheet.save(aside, "PNG")
    typer.echo(str(out))
