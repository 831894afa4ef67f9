import hashlib
import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from utils.datasets import DatasetError, load_dataset
from utils.datasets.files import cache
from utils.datasets.sources import celeba

PARTITION = [0, 0, 1, 2, 0, 2, 1, 0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Small files of the official form; the photographs are plain, each with a grey of its own, borders black."""
    path = tmp_path / "celeba"
    path.mkdir()
    with zipfile.ZipFile(path / celeba.ARCHIVE, "w") as archive:
        for number in range(1, 9):
            pixels = np.zeros((218, 178, 3), dtype=np.uint8)
            pixels[20:198] = (20 * number, 128, 255 - 20 * number)
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "jpeg", quality=100, subsampling=0)
            archive.writestr(f"img_align_celeba/{number:06}.jpg", file.getvalue())
    lines = [f"{number:06}.jpg {part}\n" for number, part in enumerate(PARTITION, start=1)]
    (path / celeba.PARTITION).write_text("".join(lines))
    digests = {file: hashlib.md5((path / file).read_bytes()).hexdigest() for file in celeba.MD5}
    monkeypatch.setattr(celeba, "MD5", digests)
    monkeypatch.setattr(cache, "_IN_MEMORY", {})
    return path


def error_of_loading(data_dir):
    with pytest.raises(DatasetError) as caught:
        load_dataset("celeba", "test", data_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_splits_are_the_official_ones_and_images_are_central_squares(folder, tmp_path):
    for made in ("from the archive", "from the cache"):
        train, test = (load_dataset("celeba", split, tmp_path) for split in ("train", "test"))
        assert train.images.shape == (6, 3, 64, 64), made
        assert test.images.shape == (2, 3, 64, 64), made
        for dataset, numbers in ((train, [1, 2, 3, 5, 7, 8]), (test, [4, 6])):
            centre = dataset.images[:, :, 8:-8, 8:-8].double().mean((2, 3))
            assert torch.allclose(
                centre, torch.tensor([[20.0 * n, 128, 255 - 20 * n] for n in numbers]).double(), atol=2
            )
        assert train.images[:, 1].min() > 100, "nothing of the border is left"
        assert train.source == f"official {celeba.ARCHIVE}"
        for file in celeba.MD5:
            (folder / file).unlink(missing_ok=True)
    few = load_dataset("celeba", "train", tmp_path, 4).images
    assert torch.equal(few, train.images[:4])
    assert few.untyped_storage().nbytes() == few.nbytes, "the rest is not kept in memory"


def test_missing_files_are_named_with_where_to_put_them(folder, tmp_path):
    archive, partition = (f"{file} (MD5 {digest})" for file, digest in celeba.MD5.items())
    (folder / celeba.PARTITION).unlink()
    assert f"fetch {partition} from {celeba.PAGE} and put into {folder}" in error_of_loading(tmp_path)
    (folder / celeba.ARCHIVE).unlink()
    assert f"fetch {archive} and {partition} from" in error_of_loading(tmp_path)
    folder.rmdir()
    assert f"fetch {archive} and {partition} from" in error_of_loading(tmp_path / "mistyped")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", [celeba.ARCHIVE, celeba.PARTITION])
@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: b"", lambda c: c[:-1] + bytes([c[-1] ^ 1])])
def test_damaged_file_is_named(folder, tmp_path, file, damage):
    (folder / file).write_bytes(damage((folder / file).read_bytes()))
    message = error_of_loading(tmp_path)
    assert message.startswith(f"{folder / file} is not the official file: it has MD5 ")
    assert message.endswith(f"fetch it again from {celeba.PAGE}")
    assert not (folder / "celeba_64.h5").exists()
