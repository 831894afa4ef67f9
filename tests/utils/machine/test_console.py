"""Consoles that lack signs, and those that are gone."""

import os
import subprocess
import sys

import pytest

from utils.flags import build_parser
from utils.machine.console import counted, escaped, in_plain_words

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SAYS = "from utils.machine.console import make_sturdy; make_sturdy(); import sys; "


def python(code, **options):
    """A process that makes its console sturdy, and runs some code."""
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run([sys.executable, "-c", SAYS + code], cwd=ROOT, env=environment, **options)


def test_signs_have_plain_words():
    assert in_plain_words("JS^G_α(q‖p), σ² ± 3, Ünï…") == "JS^G_alpha(q||p), sigma^2 +- 3, Uni..."
    assert in_plain_words("中\udce9") == "\\u4e2d\\xe9"


def test_a_number_of_things_has_their_plural():
    assert (counted(1, "seed"), counted(3, "seed"), counted(1200, "run")) == ("1 seed", "3 seeds", "1,200 runs")


def test_the_help_has_plain_words_for_all_it_says():
    text = in_plain_words(build_parser().format_help())
    assert "JS^G" in text or "KL(q||p)" in text
    assert "\\u" not in text and "\\x" not in text


def test_no_terminal_obeys_a_name():
    assert escaped("a\x1b[2J\nb  é\u202e\udcff") == "a\\x1b[2J\\nb  é\\u202e\\xff"


@pytest.mark.parametrize(
    ("encoding", "seen"), [("ascii", b"alpha || e"), ("cp1252", b"alpha || \xe9"), ("utf-8", "α ‖ é".encode())]
)
def test_a_console_shows_what_it_can(encoding, seen):
    done = python("print('α ‖ é')", env={"PYTHONIOENCODING": encoding}, capture_output=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, seen, b"")


def test_a_reader_that_is_gone_or_a_full_device_ends_nothing(tmp_path):
    code = "[print('x' * 99, flush=True) for _ in range(3)]; open(sys.argv[1], 'w').write('whole'); sys.exit(5)"
    reading, writing = os.pipe()
    os.close(reading)
    for place, reason in ((writing, b"Broken pipe"), (os.open("/dev/full", os.O_WRONLY), b"No space left on device")):
        command = [sys.executable, "-c", SAYS + code, tmp_path / "file"]
        done = subprocess.run(command, cwd=ROOT, stdout=place, stderr=subprocess.PIPE)
        note = b"note: standard output cannot be written to (%s): what follows is not shown" % reason
        assert (done.returncode, done.stderr.strip()) == (5, note)
        assert (tmp_path / "file").read_text() == "whole"
        (tmp_path / "file").unlink()
        os.close(place)


def test_what_is_meant_for_a_closed_console_goes_into_no_file(tmp_path):
    code = (
        "import os; file = open('{}', 'wb'); print('out'); print('err', file=sys.stderr); os.write(2, b'x'); "
        "file.close(); sys.exit(5)"
    ).format(tmp_path / "file")
    command = f'exec {sys.executable} -c "{SAYS}{code}" >&- 2>&-'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT)
    assert done.returncode == 5
    assert (tmp_path / "file").read_bytes() == b""
