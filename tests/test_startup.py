"""What the command line imports before it knows what to do: --help and mistakes do not wait for more than they use."""

import subprocess
import sys
from pathlib import Path

import pytest

import main as command_line

pytestmark = pytest.mark.slow

ROOT = Path(command_line.__file__).parent
LATE = ("matplotlib", "scipy", "h5py", "jinja2", "sklearn", "tensorboard", "torch._dynamo", "IPython")
COMMANDS = ["--help", "exp --loss dGSJ", "exp --dataset mnsit"]
CODE = """
import sys
import main
for command in sys.argv[1:]:
    try:
        main.main(command.split())
    except SystemExit:
        pass
    print("modules", *sys.modules)
"""


@pytest.fixture(scope="module")
def imported():
    """What is imported after each of the commands, given to one process."""
    done = subprocess.run([sys.executable, "-c", CODE, *COMMANDS], capture_output=True, text=True, check=True, cwd=ROOT)
    lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("modules ")]
    return dict(zip(COMMANDS, map(set, lines), strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_mistakes_import_no_more_than_they_use(command, imported):
    assert "torch" in imported[command]
    assert not imported[command] & set(LATE)
