"""The errors a user can meet, each with one line that says what to do."""

__all__ = ["DdxError", "InputError"]


class DdxError(Exception):
    """Base of every error that ddx raises on purpose."""


class InputError(DdxError):
    """Bad input. The message is one line: which file, row and column, what is wrong, what to do.

    The command line prints the message alone and exits with status 2.
    """
