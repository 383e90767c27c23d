"""Every error Otvet raises on purpose. A message says what failed, the value, and what to do next.

OtvetError                      exit code 1
├── SettingsError               2   a setting is unknown, out of bounds, or contradicts another
├── QuestionError               2   a question, a filter or a k that cannot be used
├── CorpusError                 1   the corpus is not there, or holds no article at all
├── ModelError                  1   the embedding model cannot be loaded or is not what it should be
├── ChatModelError              1   the language model cannot be reached or answers nonsense
│   ├── ModelBusyError          1   too many questions wait for the language model already
│   └── ModelDownError          1   the language model's server fails, so it is not asked for a while
├── UsersError                  2   the file of users, a name or a password cannot be used
├── TokensError                 2   the file of tokens, or a name or a scope of one, cannot be used
├── UploadError                 1   a file from the page cannot be put into the corpus
├── AnswerStoppedError          1   whoever asked does not want the answer any more
├── AnswerTimeoutError          1   no answer was there in time
├── OverloadedError             1   as many questions as may be are being answered
├── NotReadyError               1   not everything that answers need is loaded
├── FeedbackError               1   the feedback cannot be kept or read
└── IndexStateError             1
    ├── IndexMissingError       1   nothing was indexed yet
    ├── IndexMismatchError      1   the index was built with another model, chunk size or format
    ├── IndexDamagedError       1   the files of a generation contradict each other
    ├── IndexWriteError         1   the index cannot be written, for example as the disk is full
    ├── IndexUnreachableError   1   a server that holds the shared index cannot be reached
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


class ModelBusyError(ChatModelError):
    """Too many questions wait for the language model already.

    Attributes:
        retry_after_s: after how many seconds to ask again, 1 to 120.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelDownError(ChatModelError):
    """The language model's server fails, so it is not asked for a while.

    Attributes:
        retry_after_s: after how many seconds to ask again, from 1.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AnswerStoppedError(OtvetError):
    """Whoever asked does not want the answer any more."""


class AnswerTimeoutError(OtvetError):
    """No answer was there in time."""


class OverloadedError(OtvetError):
    """As many questions as may be are being answered."""


class NotReadyError(OtvetError):
    """Not everything that answers need is loaded."""


class UsersError(OtvetError):
    """The file of users, a name or a password cannot be used."""

    exit_code = 2


class TokensError(OtvetError):
    """The file of tokens, or a name or a scope of one, cannot be used."""

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


class IndexUnreachableError(IndexStateError):
    """A server that holds the shared index cannot be reached."""


class IndexLockedError(IndexStateError):
    """Another process is writing the index."""

    exit_code = 4
