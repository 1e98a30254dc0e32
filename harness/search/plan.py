"""Plan a search: validate all options and resolve `auto` ones before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.config.settings import External, SearchConfig, TrainSettings, TrialPlan
from harness.data.files.listing import Remark, no_remark
from harness.errors import inline
from harness.evaluation.verdict import Finalist
from harness.paths import RunPaths, StudyPaths, check_run_dir
from harness.search import pretrained, resolve
from harness.search.resumed_settings import has_same_data, recorded_setup, with_recorded_lengths
from harness.study.metadata import setup_of
from harness.study.pareto import check_pareto
from harness.tracking.client import check_tracking_uri, ignored_variable
from harness.trials.external.trainer import choose_trainer, no_baseline, start_of
from reports.record.names import MOVING
from reports.record.study import StudySetup
from reports.texts.numbers import quantity
from search_spaces.space import Space

if TYPE_CHECKING:
    from harness.data.pairs.prepare import PreparedData
    from harness.search.resolve import Placement


@dataclass(frozen=True)
class SearchPlan:
    """A validated search, ready to run.

    Attributes:
        recipes: recipes inside the space, as parameters to enqueue, by name.
        remarks: messages to the user before the search starts.
        setup: how the study's trials are run and scored, as it is recorded.
        jobs: workers at the start.
        most_jobs: upper limit once the memory of a GPU trial has been measured.
        devices: devices of the workers, assigned in turn.
        finalists: how many of the best settings are trained again, besides the guide's (and, in a
            search of both kinds of generator, the best that repaints); 0: none.
        earlier: results of other searches that the user named, as parameters to enqueue, by source.
        compared: settings to compare instead of a search; the last is the baseline.
    """

    config: SearchConfig
    space: Space
    recipes: dict[str, dict[str, Any]]
    remarks: tuple[str, ...]
    setup: StudySetup
    trial_plan: TrialPlan
    jobs: int
    most_jobs: int
    devices: tuple[str, ...]
    finalists: int = 0
    earlier: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    compared: tuple[Finalist, ...] = ()

    @property
    def search_budget(self) -> int:
        """Trials of the search itself: the budget minus the finalists' runs."""
        return 0 if self.compared else self.config.budget - self.final_runs

    @property
    def final_runs(self) -> int:
        """Runs of the finalists, or of the settings to compare."""
        if self.compared:
            return len(self.compared) * self.config.repeats
        return resolve.final_runs(self.finalists, self.config.repeats, self.of_both_kinds)

    @property
    def of_both_kinds(self) -> bool:
        """Whether the search tries both kinds of generator."""
        return bool(self.space.kinds)

    @property
    def run_paths(self) -> RunPaths:
        return RunPaths(self.config.run_dir)

    @property
    def paths(self) -> StudyPaths:
        return self.run_paths.study(self.config.study)


class PairsToMakeError(Exception):
    """Pairs have to be made from the portraits before a search can be planned; says which."""


def plan_search(
    config: SearchConfig, remark: Remark = no_remark, make_pairs: bool = True
) -> SearchPlan:
    """Validate all options and resolve `auto` ones.

    Writes only the cache of prepared pairs, and the pairs that are made from `--originals`.

    Args:
        remark: is called with warnings before pairs are made, and with progress in the meantime.
        make_pairs: whether pairs may be made.

    Raises:
        UserInputError: an option is invalid.
        PairsToMakeError: pairs may not be made, and the search needs them.
    """
    space = resolve.read_space(config)
    if config.pareto:
        check_pareto(config)
        config = config.model_copy(update={"pruner": "none"})
    check_run_dir(config.run_dir)
    if config.storage is not None:
        from harness.study.database import check_url

        check_url(config.storage)
    if config.tracking_uri is not None:
        check_tracking_uri(config.tracking_uri)
    recorded = recorded_setup(config)
    placement = resolve.choose_placement(config)
    profile, train = resolve.choose_train(config.profile, placement[0])
    train = with_recorded_lengths(recorded, profile, train)
    precision = recorded.train.precision if recorded else None
    train = train.updated({"precision": resolve.choose_precision(config, placement[0], precision)})
    pinned = resolve.choose_pinned(config, space)
    train = train.updated(pinned)
    space, train, one_kind = resolve.choose_generators(config, space, train, recorded)
    external = choose_trainer(config, space, train)
    unshared = start_of(config, external) == "none"
    resolve.check_space(space, train, unshared)
    resolve.check_start(config, train, unshared)
    earlier = resolve.choose_earlier(config.enqueue, space, train)
    config = with_made_pairs(config, train, remark, make_pairs)
    resumed = recorded is not None and has_same_data(config, recorded)
    doubts = check_pairs(config, profile, resumed)
    plan = assemble(config, space, profile, train, placement, external)
    recipes, left_out = resolve.choose_recipes(space, train)
    n_test = plan.setup.data.n_test
    finalists, unconfirmed = resolve.choose_finalists(
        config, n_test, plan.of_both_kinds, no_baseline(external, space, train)
    )
    ignored = ignored_variable(config.tracking_uri)
    plan = replace(
        plan,
        recipes=recipes,
        earlier=earlier,
        finalists=finalists,
        setup=plan.setup.model_copy(update={"pinned": pinned}),
    )
    untried = too_few_to_move_pixels(plan)
    remarks = (*doubts, *plan.remarks, *one_kind, *left_out, *unconfirmed, *untried, *ignored)
    return replace(plan, remarks=remarks)


def too_few_to_move_pixels(plan: SearchPlan) -> tuple[str, ...]:
    """A message if the trials end before the recipe whose generator moves pixels."""
    if not plan.of_both_kinds or MOVING not in plan.recipes:
        return ()
    needed = list(plan.recipes).index(MOVING) + 1
    if plan.search_budget >= needed:
        return ()
    return (
        f"--budget {plan.config.budget} ends before the recipe {MOVING}, whose generator moves "
        f"pixels; --budget {needed + plan.final_runs} tries it too.",
    )


def assemble(
    config: SearchConfig,
    space: Space,
    profile: str,
    train: TrainSettings,
    placement: "Placement",
    external: External | None = None,
) -> SearchPlan:
    """A plan of trials in `space` with the training settings `train`, without recipes and
    finalists.

    Raises:
        UserInputError: the pairs, the weights, the objective or the user's model cannot be used.
    """
    device, devices, slots = placement
    train = resolve.on_device(train, device)
    trunks = pretrained.trunks_of(config.objective, perceptual=external is None)
    weights = pretrained.choose_weights(config.weights, trunks)
    goal = resolve.choose_objective(config.objective, weights)
    start = start_of(config, external)
    data = prepare(config, train)
    paths = RunPaths(config.run_dir).study(config.study)
    return SearchPlan(
        config=config,
        space=space,
        recipes={},
        remarks=(
            *pretrained.weights_remark(weights, config.weights, trunks),
            *resolve.packing_remark(config, slots, device),
        ),
        setup=setup_of(
            config, space, profile, train, weights, goal, devices, data, start, external
        ),
        trial_plan=TrialPlan(
            dataset=data.file.absolute(),
            folder=paths.folder.absolute(),
            train=train,
            other_netG=resolve.other_generator(space, train),
            weights=weights,
            device=device,
            threads=resolve.threads_for(train, slots.threads),
            warm_start_threads=resolve.warm_start_threads(train, config, device, slots),
            warm_start="none" if start == "none" else "shared",
            init_from=tuple(file.absolute() for file in config.init_from),
            discriminators=resolve.discriminators(space),
            seed=config.seed,
            objective=config.objective,
            external=external,
        ),
        jobs=slots.jobs,
        most_jobs=slots.most,
        devices=devices,
    )


def with_made_pairs(
    config: SearchConfig, train: TrainSettings, remark: Remark, make: bool
) -> SearchConfig:
    """With `--originals`: the search with the pairs that are made from those portraits as its data.

    Raises:
        UserInputError: no pairs can be made from the portraits.
        PairsToMakeError: they have not been made yet, and `make` is false.
    """
    if config.originals is None:
        return config
    from harness.data.synthesis.made_for_search import made_for_search, planned_pairs

    least = min(train.load_size, train.crop_size)
    place = RunPaths(config.run_dir).made_pairs
    if not make:
        making = planned_pairs(config.originals, place, least)
        if not making.made:
            raise PairsToMakeError(
                f"would make {quantity(making.pairs, 'pair')} of {making.size} pixels from the "
                f"{quantity(making.portraits, 'portrait')} in {inline(config.originals)}, kept in "
                f"{making.folder}"
            )
    made = made_for_search(config.originals, place, least, remark)
    return config.model_copy(update={"data": made})


def check_pairs(config: SearchConfig, profile: str, resumed: bool) -> tuple[str, ...]:
    """Warnings about the user's pairs.

    Args:
        resumed: whether the search resumes a study of the same pairs.

    Raises:
        UserInputError: the pairs have errors, and the search is a new one.
    """
    if config.data is None:
        return ()
    from harness.data.check.at_start import check_at_start
    from harness.data.pairs.cache import writable_cache

    made = config.originals is not None
    chosen = made or "direction" in config.model_fields_set
    return check_at_start(
        config.data, config.direction, chosen, profile, writable_cache(), resumed, made
    )


def prepare(config: SearchConfig, train: TrainSettings) -> "PreparedData":
    """The pairs that every trial uses, prepared or from the cache."""
    from harness.data.pairs.cache import writable_cache
    from harness.data.pairs.prepare import prepare_data

    return prepare_data(
        config.data, config.direction, train, writable_cache(), config.skip_bad, config.seed
    )
