"""The scores that every trial of a study is compared with."""

from reports.record.format import Part


class Baseline(Part):
    """Scores of no trial, on the validation pairs.

    Attributes:
        noop: of the input unchanged.
        warm_start: of the shared warm start; None if trials train from scratch.
        oracle: of the input warped back, the upper bound; None if the warp is not known.
        held_out_noop: of the input unchanged on the test pairs; None if there are none.
        other_warm_start: of the shared warm start of the other kind of generator, if any.
    """

    noop: float
    warm_start: float | None
    oracle: float | None = None
    held_out_noop: float | None = None
    other_warm_start: float | None = None
