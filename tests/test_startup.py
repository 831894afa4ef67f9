"""What the command line imports before it knows what to do: --help and mistakes do not wait for more than they use."""

import subprocess
import sys
from pathlib import Path

import pytest

import main as command_line

pytestmark = pytest.mark.slow

ROOT = Path(command_line.__file__).parent
LATE = ("matplotlib", "scipy", "h5py", "jinja2", "sklearn", "tensorboard", "torch._dynamo", "IPython")
CODE = """
import sys
import main
try:
    main.main(sys.argv[1:])
except SystemExit:
    pass
print("modules", *sys.modules)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["exp", "--loss", "dGSJ"], ["exp", "--dataset", "mnsit"]])
def test_help_and_mistakes_import_no_more_than_they_use(arguments):
    command = [sys.executable, "-c", CODE, *arguments]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    modules = set(out.splitlines()[-1].split())
    assert "torch" in modules
    assert not modules & set(LATE)
