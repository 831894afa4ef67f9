"""Every picture."""

import logging

# It would tell, in five lines, that a home directory that cannot be written to is done without.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
