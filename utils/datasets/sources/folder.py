"""`folder:PATH`: any folder of pictures, cropped to a square and resized for the networks."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image

from utils.datasets.dataset import Dataset, DatasetError
from utils.datasets.files.cache import Cached, Splits, cached, first_rows, name_of
from utils.datasets.files.headers import FORMATS, Picture, pictures_in
from utils.datasets.files.layout import find_classes, find_parts, lone_parts
from utils.datasets.files.listing import Listing, files_below
from utils.datasets.files.pictures import WHITE, check_size, square, use_picture, white_of
from utils.datasets.notes import class_note, few, image_notes, left_out_note, shape_note
from utils.datasets.registry import SPLITS, first, register_path
from utils.datasets.splits import split_indices, tested_part
from utils.machine.bars import bar
from utils.machine.console import counted

SMALL, LARGE = 32, 64
SPLIT_SEED = 2020
MOST_UNCACHED = 2000  # files of a folder
RECIPE = "central square by area, 2"  # to be changed with what becomes of a picture
BRIGHTER = "multiply their values by {}"


@dataclass(frozen=True)
class Prepared:
    """The first pictures of a split.

    Arguments:
        arrays: `images`, uint8 (N, C, S, S), and `labels`, int64 (N,), where the subfolders can be classes.
        count: how many pictures the whole split has.
        sha256: of the names and the bytes of all files of the split.
        note: what was taken and left out, in words.
    """

    arrays: dict[str, np.ndarray]
    count: int
    sha256: str
    note: str


@register_path("folder", resized=True)
def load(
    name: str, split: str, path: Path, size: int | None, side: int | None = None, cache: Path | None = None
) -> Dataset:
    """Images uint8 (N, C, S, S) of all pictures below a folder; labels are its subfolders, where they can be classes.

    C is 1 if every picture of both splits is stored as grey, else 3. S is the side or, without one, 32 if the shorter
    side of no picture is longer than that, else 64. Every page of a TIFF stack is a picture. Where 16 bits are stored,
    white is the greatest value of as many bits, 8, 10, 12, 14 or 16, as all pictures use. Subfolders that are called as
    the parts of a set are the splits; otherwise a tenth is for testing. Either way the order is a fixed permutation of
    the sorted names. `sha256` is that of the names and the bytes of all files of the split.

    What was made of a folder of more than MOST_UNCACHED files is kept in the folder `cache`, if one is given, and taken
    from there as long as no file has changed.

    Raises:
        DatasetError: no folder, no pictures, or some that are damaged.
    """
    if not path.is_dir():
        raise DatasetError(f"{path} is a file; expected a folder of pictures (npz:PATH is for an npz file)")
    listing = files_below(path, without=cache)
    own, kept = {"listing": listing, "path": path, "name": name, "split": split, "size": size, "side": side}, ""
    if cache and len(listing.files) > MOST_UNCACHED:
        place = cache / name_of(path) / (f"{split}-{side}.h5" if side else f"{split}.h5")
        prepared, kept = _kept(place, own), f"; kept in {place.parent}"
    else:
        prepared = _prepare(**own)
    count = first(size, prepared.count, name, split)
    arrays = {name: first_rows(array, count) for name, array in prepared.arrays.items()}
    return Dataset(
        name=name,
        split=split,
        **arrays,
        source="pictures in a folder",
        sha256=prepared.sha256,
        notes=(f"{name}: {prepared.note}{kept}", *image_notes(arrays["images"], split, BRIGHTER)),
    )


def _prepare(*, listing: Listing, path: Path, name: str, split: str, size: int | None, side: int | None) -> Prepared:
    """The first `size` pictures of a split, or all, from their files."""
    pictures = _pictures(listing, path, name)
    depth, splits, how = _splits(pictures, listing, name)
    used = [*splits["train"], *splits["test"]]
    if any(picture.error for picture in used):
        _refuse_broken(used, path, name)
    chosen, grey = splits[split], all(picture.grey for picture in used)
    side = side or (SMALL if max(picture.side for picture in used) <= SMALL else LARGE)
    images = np.empty((first(size, len(chosen), name, split), 1 if grey else 3, side, side), dtype=np.uint8)
    try:
        white = _white(used, name)
        sha256 = _read(chosen, images, name, grey=grey, white=white)
    except Exception:
        _refuse_broken(used, path, name)
        raise
    classes, numbers = find_classes([picture.name for picture in used], depth)
    start = 0 if split == "train" else len(splits["train"])
    labels = {"labels": np.array(numbers[start : start + len(images)], dtype=np.int64)} if classes else {}
    form = f"{shape_note(images.shape[1:])}, {class_note(classes)}"
    note = f"{how}; {form}{_remarks(used, white)}{left_out_note(listing.left_out)}"
    return Prepared({"images": images, **labels}, len(chosen), sha256, note)


# The cache


def _kept(place: Path, own: dict[str, Any]) -> Prepared:
    """The same from a cache, which is made of the arguments of `_prepare` unless it is there."""

    def prepare() -> tuple[Splits, str]:
        prepared = _prepare(**own)
        known = {name: getattr(prepared, name) for name in ("count", "sha256", "note")}
        return {own["split"]: prepared.arrays}, json.dumps(known)

    def enough(found: Cached) -> bool:
        count = json.loads(found.origin)["count"]
        return len(found.arrays["images"]) >= min(own["size"] or count, count)

    found = cached(place, _recipe(own["listing"]), own["split"], None, prepare, enough)
    return Prepared(found.arrays, **json.loads(found.origin))


def _recipe(listing: Listing) -> str:
    """All that decides what becomes of a folder, but for the side."""
    return f"{RECIPE}, Pillow {PIL.__version__}, {' '.join(FORMATS)}, files {listing.state()}"


# What is in a folder


def _pictures(listing: Listing, path: Path, name: str) -> list[Picture]:
    """All pictures of a folder in the order of their names and pages; other files are added to what is left out."""
    found = []
    for file, place in bar(listing.files.items(), desc=name, unit=" files"):
        pictures = pictures_in(file, place)
        found += pictures
        if not pictures:
            listing.leave_out("not pictures", file)
    if not found:
        raise DatasetError(
            f"{path} has no pictures in it{left_out_note(listing.left_out)}; expected {', '.join(FORMATS)}, "
            "in subfolders too"
        )
    return found


def _splits(pictures: list[Picture], listing: Listing, name: str) -> tuple[int | None, dict[str, list[Picture]], str]:
    """How deep the folders of the splits lie, if there are any; the pictures of both in their fixed orders; in words.

    What is in neither split is added to what is left out.
    """
    names = [picture.name for picture in pictures]
    depth, parts = find_parts(names)
    if depth is None:
        test = -(-len(pictures) // 10)
        orders = {s: split_indices(len(pictures), s, test=test, seed=SPLIT_SEED, name=name) for s in SPLITS}
        lone = lone_parts(names)
        how = f"{counted(len(pictures) - test, 'picture')} to train on and {test:,} to test on" + (
            f" (of all, {' and '.join(lone)} too: expected folders train and test)" if lone else ""
        )
        return None, {split: [pictures[index] for index in order] for split, order in orders.items()}, how
    tested, splits = tested_part(parts), {}
    for split, part in (("train", "train"), ("test", tested)):
        members = [picture for picture, own in zip(pictures, parts) if own == part]
        splits[split] = [members[index] for index in np.random.RandomState(SPLIT_SEED).permutation(len(members))]
    for picture, part in zip(pictures, parts):
        if part not in ("train", tested):
            listing.leave_out(f"in {part}" if part else "beside the splits", picture.name)
    trained = counted(len(splits["train"]), "picture")
    how = f"{trained} in train to train on and {len(splits['test']):,} in {tested} to test on"
    return depth, splits, how


def _remarks(used: list[Picture], white: int) -> str:
    """Clauses on what is not as in most folders."""
    pages = [picture for picture in used if picture.page is not None]
    stacks, moving = {page.name for page in pages}, sum(picture.animated for picture in used)
    remarks = [
        f"{counted(len(pages), 'page')} of {counted(len(stacks), 'stack')} among them" if pages else "",
        f"the first picture only of {counted(moving, 'animation')}" if moving else "",
        f"16 bits are stored and {white.bit_length()} used: {white:,} is white" if white != WHITE else "",
    ]
    return "".join(f"; {remark}" for remark in remarks if remark)


# Pixels


def _by_file(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    """The pictures of each file, by the files' names in their order, pages ascending."""
    files: dict[str, list[Picture]] = {}
    for picture in sorted(pictures, key=lambda picture: (picture.name, picture.page or 0)):
        files.setdefault(picture.name, []).append(picture)
    return files


def _turned(picture: Image.Image, pages: list[Picture]) -> Iterator[Image.Image]:
    """An open picture at each of these pages."""
    for page in pages:
        if page.page:
            picture.seek(page.page)
        check_size(picture)
        yield picture


def _squares(content: bytes, pages: list[Picture], side: int, **form) -> list[np.ndarray]:
    """These pages of a file as squares. Any exception: it is damaged."""
    return use_picture(content, FORMATS, lambda picture: [square(p, side, **form) for p in _turned(picture, pages)])


def _greatest(path: Path, pages: list[Picture]) -> int:
    """The greatest value of any pixel of these pages. Any exception: the file is damaged."""
    return use_picture(path, FORMATS, lambda picture: max(int(np.asarray(p).max()) for p in _turned(picture, pages)))


def _white(used: list[Picture], name: str) -> int:
    """The value that is white where a pixel has 16 bits: the greatest of as many bits as all such pictures use."""
    files = _by_file(picture for picture in used if picture.deep)
    greatest = 0 if files else WHITE
    for pages in bar(files.values(), desc=name, unit=" files"):
        greatest = max(greatest, _greatest(pages[0].path, pages))
        if white_of(greatest) == WHITE:
            break
    return white_of(greatest)


def _read(chosen: list[Picture], images: np.ndarray, name: str, *, grey: bool, white: int) -> str:
    """Fill an array with the first pictures, and give the SHA-256 of the names and the bytes of all their files.

    It counts page numbers and white too, where they are not what they are in a folder of single pictures of 8 bits.
    """
    digests, places = {}, {picture: place for place, picture in enumerate(chosen[: len(images)])}
    for file, pages in bar(_by_file(chosen).items(), desc=name, unit=" files"):
        content = pages[0].path.read_bytes()
        digests[file] = hashlib.sha256(content).digest()
        if wanted := [page for page in pages if page in places]:
            squares = _squares(content, wanted, images.shape[-1], grey=grey, white=white)
            images[[places[page] for page in wanted]] = squares
    digest = hashlib.sha256(b"" if white == WHITE else b"white %d\0" % white)
    for picture in chosen:
        page = b"" if picture.page is None else b"page %d\0" % picture.page
        digest.update(os.fsencode(picture.name) + b"\0" + page + digests[picture.name])
    return digest.hexdigest()


def _refuse_broken(used: list[Picture], path: Path, name: str) -> None:
    """Raise a DatasetError that names the files that cannot be read, if there are any: every one is tried."""
    errors, files = {}, _by_file(used)
    for file, pages in bar(files.items(), desc=name, unit=" files"):
        try:
            if pages[0].error:
                raise pages[0].error
            _squares(pages[0].path.read_bytes(), pages, SMALL, grey=True)
        except Exception as error:
            errors[file] = error
    if errors:
        raise DatasetError(_broken(errors, len(files), path))


def _broken(errors: dict[str, Exception], files: int, path: Path) -> str:
    """The line on files that cannot be read."""
    if len(errors) == 1:
        ((file, error),) = errors.items()
        return f"{path / file} cannot be read ({error}); replace it or take it out of the folder"
    named = few([f"{file} ({error})" for file, error in errors.items()])
    return f"{len(errors):,} of {files:,} files in {path} cannot be read: {named}; replace them or take them out"
