"""Data sets by name, held in memory: images as bytes, vectors as float32.

A module of `sources` that decorates a function with `registry.register` adds its data set; every module there is
imported here, so a new data set is one new file and nothing else.
"""

import importlib
import pkgutil

from utils.datasets import sources
from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.registry import (
    data_kind,
    dataset_choices,
    dataset_defaults,
    dataset_names,
    default_data_dir,
    is_dataset,
    is_resized,
    load_dataset,
    path_kind,
    portable_name,
)
from utils.datasets.sources.dsprites_renderer import render as render_dsprites

__all__ = [
    "Dataset",
    "DatasetError",
    "data_kind",
    "dataset_choices",
    "dataset_defaults",
    "dataset_names",
    "default_data_dir",
    "is_dataset",
    "is_resized",
    "load_dataset",
    "path_kind",
    "portable_name",
    "render_dsprites",
]

for _module in pkgutil.iter_modules(sources.__path__):
    importlib.import_module(f"{sources.__name__}.{_module.name}")
