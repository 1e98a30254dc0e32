"""The scores that every trial of a study is compared with."""

from reports.record.format import Part


class Baseline(Part):
    """Reference scores, on the validation pairs unless stated otherwise.

    Attributes:
        noop: the input unchanged.
        warm_start: the shared warm start; None if trials train from scratch.
        oracle: the input warped back, the upper bound; None if the warp is not known.
        held_out_noop: the input unchanged, on the test pairs; None if there are none.
        other_warm_start: the shared warm start of the other kind of generator, if any.
    """

    noop: float
    warm_start: float | None
    oracle: float | None = None
    held_out_noop: float | None = None
    other_warm_start: float | None = None
