"""A space may vary more than the five settings: every surface names what it tried."""

import re

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial

from reports.analysis.decision import decide
from reports.analysis.settings_in_words import short_settings
from reports.export.trials_table import as_markdown, trials_frame
from reports.page.report import render
from reports.texts.translations import translator
from tests.synthetic_studies import BEST, SPACE, add_trial, empty_study, study_attrs


@pytest.fixture
def study() -> optuna.Study:
    """Of a space with beta1, flip, and a batch size that only some trials have."""
    made = empty_study(budget=4)
    for number in range(4):
        extras = {"beta1": 0.2 * number, "flip": number % 2 == 0}
        if number % 2:
            extras["batch_size"] = number
        add_trial(made, BEST | {"lr": 1e-4 + number * 1e-5}, noise=number / 100, extras=extras)
    return made


def test_the_decision_names_them(study: optuna.Study) -> None:
    found = decide(study, translator("en"))
    assert found.settings.endswith("lr 1.3e-4, beta1 0.6, flip False, batch_size 3")


def test_the_decision_names_the_u_net_where_that_varies_too() -> None:
    made = empty_study(budget=1)
    kinds = {"netG": CategoricalDistribution(("unet_128", "resnet_6blocks"))}
    noted = {"params": BEST, "extras": {"netG": "unet_128"}}
    given = {"value": 0.3, "params": BEST | noted["extras"], "distributions": SPACE | kinds}
    made.add_trial(create_trial(**given, user_attrs=noted))
    assert decide(made, translator("en")).settings.endswith("lr 1e-4, netG unet_128")
    for network, named in (("unet_256", False), ("warp_unet_256", False), ("resnet_9blocks", True)):
        assert ("netG" in short_settings(BEST | {"netG": network}, translator("en"))) == named


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_page_has_their_columns_and_figures(study: optuna.Study, lang: str) -> None:
    page = render(study, lang)
    table = page[page.index('id="table-title"') :]
    for name in ("beta1", "flip", "batch_size"):
        assert f"<code>{name}</code>" in table
        assert f'data-figure="slice-{name}"' in page
        assert f'"slice-{name}":' in page
    assert re.search(r"<td>0.6</td><td>False</td><td>3</td>", table)


def test_a_setting_that_a_trial_of_the_front_lacks_is_an_empty_cell() -> None:
    """A conditional setting, in a Pareto search."""
    made = optuna.create_study(directions=["maximize", "minimize"])
    for key, entry in study_attrs().items():
        made.set_user_attr(key, entry)
    for number, extras in enumerate(({"batch_size": 2}, {})):
        noted = {"params": BEST, "score": 0.3, "extras": extras}
        made.add_trial(
            create_trial(
                values=[number, number], params=BEST, distributions=SPACE, user_attrs=noted
            )
        )
    page = render(made)
    assert page.count("<code>batch_size</code>") > 1
    assert "<td>nan</td>" not in page


def test_the_markdown_has_their_columns(study: optuna.Study) -> None:
    head, _, *rows = as_markdown(trials_frame(study)).splitlines()
    assert "| lr | beta1 | flip | batch_size |" in head
    assert "| 0.2 | False | 1 |" in rows[1]
