"""A page to play with: models of an experiment whose decoders run in the browser."""

from utils.explore.explore import check_explorable, write_explorer

__all__ = ["check_explorable", "write_explorer"]
