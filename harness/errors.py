"""Errors that a user can meet. Each message says what was wrong, where, and what to do."""


class HarnessError(Exception):
    """Any failure with a known cause; `exit_code` is what the command line returns for it."""

    exit_code = 1


class UserInputError(HarnessError):
    """The user's input cannot be used. Nothing has been written."""

    exit_code = 2


class SearchFailedError(HarnessError):
    """The search ended because its trials only failed."""

    exit_code = 3


class DivergedError(HarnessError):
    """A loss or score stopped being finite; the message holds the losses that led there."""
