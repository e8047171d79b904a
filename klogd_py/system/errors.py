"""An error that nobody foresaw, in words for an operator: one short line, whatever its message holds."""

LONGEST_CHARACTERS = 200


def in_words(error: BaseException) -> str:
    """Kind and message of an error: ``ValueError('embedded null byte')``."""
    return " ".join(repr(error).split())[:LONGEST_CHARACTERS]
