"""Show foreign text on a terminal without letting it act there."""


def printable(text: str) -> str:
    r"""Escape what a terminal would obey or a reader could not see.

    Names of processes and files are chosen by the program that is looked at.  Control characters
    (also C1, which some terminals obey), bidirectional overrides and other format characters,
    line separators, odd blanks, unassigned characters and surrogates become \n, \x1b, \u202e and
    so on.  A byte that was not UTF-8 becomes \xNN, its own value.  The backslash is doubled, so
    that two different texts never look the same.
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_escape, text))


def escaped(text: str) -> str:
    """As printable(), but a backslash stays single: lines of source keep their columns."""
    return "".join(one if one == "\\" else _escape(one) for one in text)


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a raw byte, put there by surrogateescape
        return f"\\x{ord(character) - 0xDC00:02x}"
    if "\x7f" < character <= "\xff":  # else U+009B and the raw byte 9B would look the same
        return f"\\u{ord(character):04x}"
    return character.encode("unicode_escape").decode("ascii")
