"""Every error Otvet raises on purpose. A message says what failed, the value, and what to do next.

OtvetError                      exit code 1
├── SettingsError               2   a setting is unknown, out of bounds, or contradicts another
├── QuestionError               2   a question, a filter or a k that cannot be used
├── CorpusError                 1   the corpus is not there, or holds no article at all
├── ModelError                  1   the embedding model cannot be loaded or is not what it should be
├── ChatModelError              1   the language model cannot be reached or answers nonsense
├── UsersError                  2   the file of users, a name or a password cannot be used
├── UploadError                 1   a file from the page cannot be put into the corpus
├── AnswerStoppedError          1   whoever asked does not want the answer any more
├── FeedbackError               1   the feedback cannot be kept or read
└── IndexStateError             1
    ├── IndexMissingError       1   nothing was indexed yet
    ├── IndexMismatchError      1   the index was built with another model, chunk size or format
    ├── IndexDamagedError       1   the files of a generation contradict each other
    ├── IndexWriteError         1   the index cannot be written, for example as the disk is full
    └── IndexLockedError        4   another process is writing the index

Exit code 3 is no error: the index was published, but some articles were skipped.
"""


class OtvetError(Exception):
    """Root of the tree. `exit_code` is what `otvet` ends with."""

    exit_code = 1


class SettingsError(OtvetError):
    """A setting is unknown, out of bounds, or contradicts another."""

    exit_code = 2


class QuestionError(OtvetError):
    """A question, a filter or a k that cannot be used."""

    exit_code = 2


class CorpusError(OtvetError):
    """The corpus is not there, or holds no article at all."""


class ModelError(OtvetError):
    """The embedding model cannot be loaded or is not what it should be."""


class ChatModelError(OtvetError):
    """The language model cannot be reached or answers nonsense."""


class AnswerStoppedError(OtvetError):
    """Whoever asked does not want the answer any more."""


class UsersError(OtvetError):
    """The file of users, a name or a password cannot be used."""

    exit_code = 2


class UploadError(OtvetError):
    """A file from the page cannot be put into the corpus."""


class FeedbackError(OtvetError):
    """The feedback cannot be kept or read."""


class IndexStateError(OtvetError):
    """The index cannot be used as it is."""


class IndexMissingError(IndexStateError):
    """Nothing was indexed yet."""


class IndexMismatchError(IndexStateError):
    """The index was built with another model, chunk size or format."""


class IndexDamagedError(IndexStateError):
    """The files of a generation contradict each other."""


class IndexWriteError(IndexStateError):
    """The index cannot be written, for example as the disk is full."""


class IndexLockedError(IndexStateError):
    """Another process is writing the index."""

    exit_code = 4
