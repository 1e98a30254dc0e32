"""`harness look`: blind pairs of restored crops, and how often eyes and score agree."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import NoBrowser, RunDir, Storage
from harness.errors import UserInputError, printable


def look(
    study: Annotated[
        str | None, typer.Argument(help="The study; required if there are several searches.")
    ] = None,
    run_dir: RunDir = Path("runs"),
    storage: Storage = None,
    no_browser: NoBrowser = False,
) -> None:
    """Judge blind pairs of restored pictures with your own eyes.

    The judgements are kept with the study, and `harness report` compares them with the score.

    Example: harness look portraits
    """
    from harness.cli.blind_pairs import judge
    from harness.paths import RunPaths
    from harness.study.study import read_study
    from reports.analysis.judgements import agreement
    from reports.page.look import crops
    from reports.page.look_result import agreement_sentence
    from reports.texts.translations import translator

    found = read_study(run_dir, study, storage)
    panels = RunPaths(run_dir).study(found.study_name).panels
    pictures = crops(found, panels)
    if len(pictures) < 2:
        raise UserInputError(
            f"There are no two trials with pictures to compare in {panels}: run the search of "
            f"{found.study_name} to its end, or name its run folder with --run-dir DIR."
        )
    judge(found, pictures, open_browser=not no_browser)
    verdict = agreement(found)
    if verdict:
        print(printable(agreement_sentence(verdict, translator("en"))))
