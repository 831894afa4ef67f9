"""Training objectives: a registry, and one file per family.

To add one, put a file beside these with a class under `@register("name")`: every file here is imported.
"""

from importlib import import_module
from pkgutil import iter_modules

from vae.losses.base import LOSSES, Display, Loss, LossTerms, build_loss, loss_name, register, resolve_options

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

__all__ = ["LOSSES", "Display", "Loss", "LossTerms", "build_loss", "loss_name", "register", "resolve_options"]
