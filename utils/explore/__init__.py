"""A page to play with: models of an experiment whose decoders run in the browser."""

from utils.explore.explore import write_explorer

__all__ = ["write_explorer"]
