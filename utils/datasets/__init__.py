"""Data sets by name, held in memory: images as bytes, vectors as float32.

A module of this package that decorates a function with `registry.register` adds its data set; every module is
imported here, so a new data set is one new file and nothing else.
"""

import importlib
import pkgutil

from .dataset import Dataset, DatasetError
from .registry import (
    data_kind,
    dataset_choices,
    dataset_defaults,
    dataset_names,
    is_dataset,
    load_dataset,
    path_kind,
    portable_name,
)

__all__ = [
    "Dataset",
    "DatasetError",
    "data_kind",
    "dataset_choices",
    "dataset_defaults",
    "dataset_names",
    "is_dataset",
    "load_dataset",
    "path_kind",
    "portable_name",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
