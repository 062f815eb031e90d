"""Why a file could not be loaded.

LoadError
├── UnsupportedFormatError   no loader takes this kind of file
├── WrongFormatError         the content is not what the name says, or is damaged
├── EncryptedError           a password is needed, or the given one is wrong
├── MissingExtraError        the format needs a package that is not installed
├── NoTextError              the file is empty, or holds no text (a scan, say)
├── TooLargeError            over the size limit
└── UnreadableError          the operating system would not let us read it
"""

from __future__ import annotations

_LONGEST_MESSAGE = 500


class LoadError(Exception):
    """A file could not be loaded; the message says why, in one sentence for the user.

    What a parser says may quote megabytes of the file, so a message ends after 500 characters.
    """

    def __init__(self, message: str) -> None:
        """Say why."""
        super().__init__(
            message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]} …"
        )


class UnsupportedFormatError(LoadError):
    """No loader takes this kind of file."""


class WrongFormatError(LoadError):
    """The content is not what the name says, or is damaged beyond reading."""


class EncryptedError(LoadError):
    """The file needs a password, or the given one does not open it.

    The message always begins with :attr:`PREFIX`, so that a stored reason can be told apart.
    """

    PREFIX = "encrypted"

    def __init__(self, message: str) -> None:
        """Begin the message with :attr:`PREFIX`."""
        begins = message.startswith(self.PREFIX)
        super().__init__(message if begins else f"{self.PREFIX}: {message}")


class MissingExtraError(LoadError):
    """The format needs a package that is not installed; the message says how to install it.

    The message always begins with :attr:`PREFIX`, so that a stored reason can be told apart.
    """

    PREFIX = "an optional package is missing"

    def __init__(self, what: str, extra: str | None = None) -> None:
        """Say that ``what`` needs an extra; or take a whole message, as from another process."""
        super().__init__(
            what if extra is None else f"{self.PREFIX}: {what} needs pip install 'ragkit[{extra}]'"
        )


class NoTextError(LoadError):
    """The file is empty or holds no text.

    The message begins with :attr:`SCANNED` where recognising the text of its pages may help.
    """

    SCANNED = "no text on"


class TooLargeError(LoadError):
    """The file is larger than the limit."""


class UnreadableError(LoadError):
    """The operating system refused to read the file."""
