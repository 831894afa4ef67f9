"""Standard output and standard error, made such that nothing that is written to them can end a run."""

import codecs
import io
import os
import sys
import unicodedata

PLAIN = {"‖": "||", "∣": "|", "²": "^2", "±": "+-", "×": "x", "→": "->", "−": "-", "–": "-", "…": "...", "Σ": "sum"}
PLAIN |= {"∝": "is proportional to"}


def make_sturdy() -> None:
    """Let this process's standard files be there, write plain words where a console lacks a sign, and never fail."""
    codecs.register_error("plain", lambda error: (in_plain_words(error.object[error.start : error.end]), error.end))
    for number in range(3):  # or the next file that is opened has the number, and gets what is meant for a console
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for number, name, told in ((1, "stdout", "standard output"), (2, "stderr", None)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", errors="replace"))
        elif isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, Console(stream, told))


class Console(io.TextIOWrapper):
    """A stream that, once it cannot be written to, takes all and writes it nowhere; a line on standard error says so.

    Arguments:
        stream: what it takes the place of.
        told: how the line calls it; None: there is no line.
    """

    def __init__(self, stream: io.TextIOWrapper, told: str | None):
        form = {"encoding": stream.encoding, "line_buffering": stream.line_buffering}
        super().__init__(stream.detach(), errors="plain", **form)
        self.told = told

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self.give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.give_up(error)

    def give_up(self, error: OSError) -> None:
        """Write nowhere from now on."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if self.told:
            note = f"note: {self.told} cannot be written to ({error.strerror}): what follows is not shown"
            print(note, file=sys.stderr)


def in_plain_words(text: str) -> str:
    """A text in ASCII: alpha for α, the letter for one with an accent, else its number."""
    return "".join(map(plain, text))


def plain(sign: str) -> str:
    """One sign in ASCII."""
    if sign in PLAIN:
        return PLAIN[sign]
    if unicodedata.name(sign, "").startswith("GREEK"):
        return unicodedata.name(sign).split()[-1].lower()
    return unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode() or numbered(sign)


def escaped(text: str) -> str:
    """A text that no terminal obeys, in one line: what is not to be printed is told by its number."""
    return "".join(c if c.isprintable() else numbered(c) for c in text)


def numbered(sign: str) -> str:
    """A sign by its number: the byte, of a name that is not in UTF-8."""
    byte = ord(sign) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else sign.encode("unicode_escape").decode()


def counted(number: int, one: str) -> str:
    """A number of things that make their plural by an s."""
    return f"{number:,} {one}" + ("" if number == 1 else "s")
