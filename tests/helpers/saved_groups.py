"""What tests of groups of saved runs share."""

import json

from utils.runs.folder import CONFIG


def only(groups):
    """The group, of one."""
    (group,) = groups
    return group


def change(run, name=CONFIG, **values):
    """Change what a file of a run says."""
    content = json.loads((run / name).read_text())
    (run / name).write_text(json.dumps({**content, **values}))
