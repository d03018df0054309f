"""The one small tree of errors.

Every error a user can meet says four things: what was found, where, what was expected, and what to type next.
The exit code is a property of the error's kind: 2 where the user's input is wrong, 1 where the work failed.
"""


class QazError(Exception):
    """Base of all errors this project raises on purpose.

    Args:
        message: what was found and where.
        hint: what to do or to type next; printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  → {self.hint}"


class UserError(QazError):
    """The user's input is wrong: the command ends with exit code 2 and no traceback."""

    exit_code = 2


class ConfigError(UserError):
    """A configuration file or an override that cannot be accepted."""


class NoGpuError(ConfigError):
    """What was asked for needs a GPU, and this process has none. Whose fault that is, other processes of the run may tell."""


class InputError(UserError):
    """A file, folder, model or argument the user named is missing or is not what it was said to be."""


class DataError(QazError):
    """Data that cannot be processed: a corrupt shard, an empty result, a manifest that does not add up."""


class RowError(DataError):
    """A row, or a whole file of rows, that the user named is not what it is to be: a field is missing, an answer is none of the choices."""

    exit_code = 2


class DamagedFileError(DataError):
    """A file that was named as input and cannot be read to its end: cut off, not UTF-8, not what its name says."""

    exit_code = 2


class LabelSpanError(DataError):
    """A training example in which no token would be learned from, or the learned span is not the assistant's.

    `reason` is the name it is counted by.
    """

    reason = "bad_label_span"


class CheckpointError(QazError):
    """A checkpoint that is incomplete, or that belongs to another run."""


class OtherRunError(CheckpointError):
    """A run folder that belongs to another run than the one asked for: the arguments are wrong, or the folder is."""

    exit_code = 2


class WriteError(QazError):
    """An output that could not be written whole: disk full, read-only folder, short write."""


class WorkError(QazError):
    """Work that failed for a reason that is not the user's: diverged training, a stage that produced nothing."""
