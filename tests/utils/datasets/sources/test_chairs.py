import hashlib
import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from utils.datasets import DatasetError, load_dataset
from utils.datasets.files import cache
from utils.datasets.sources import chairs

MODELS, VIEWS = 6, 4
NAMES = [f"{7 * number:x}ab-{number}" for number in reversed(range(MODELS))]  # in no order


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def view_name(view):
    return f"image_{view:03}_p020_t{11 * view:03}_r096"


def render(model, view):
    """A render of 600x600 in colour: noise in the central 400x400, with the view as a stripe, on white."""
    pixels = np.full((600, 600, 3), 255, dtype=np.uint8)
    pixels[100:500, 100:500] = (
        np.random.default_rng([model, view]).integers(0, 256, (20, 20, 1)).repeat(20, axis=0).repeat(20, axis=1)
    )
    return pixels


def averaged(pixels):
    """What `render` must become: 64x64 means over areas of 6.25x6.25."""
    edges = np.arange(65) * 6.25
    pixel = np.arange(400)
    weights = np.clip(np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel), 0, 1) / 6.25
    return weights @ pixels[100:500, 100:500, 0] @ weights.T


@pytest.fixture(scope="module")
def renders():
    """The members of a small archive of the original's layout, in its order."""
    return {
        f"rendered_chairs/{NAMES[model]}/renders/{view_name(view)}.png": png(render(model, view))
        for model in range(MODELS)
        for view in reversed(range(VIEWS))
    }


def tar(members, special=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info in special:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(chairs, "MODELS", MODELS)
    monkeypatch.setattr(chairs, "VIEWS", VIEWS)
    monkeypatch.setattr(chairs, "TEST_MODELS", 2)
    monkeypatch.setattr(cache, "_IN_MEMORY", {})


def put(data_dir, content):
    path = data_dir / "chairs" / chairs.ARCHIVE
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def splits_of(data_dir):
    return [load_dataset("chairs", split, data_dir) for split in ("train", "test")]


def error_of_loading(data_dir):
    with pytest.raises(DatasetError) as caught:
        load_dataset("chairs", "train", data_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_archive_becomes_small_grey_images_split_by_model(renders, tmp_path):
    content = tar({"rendered_chairs/all_chair_names.mat": b"no picture", **renders})
    path = put(tmp_path, content)
    train, test = splits_of(tmp_path)
    assert train.images.shape == (16, 1, 64, 64)
    assert test.images.shape == (8, 1, 64, 64)
    assert not set(train.labels.tolist()) & set(test.labels.tolist())
    assert sorted(train.labels.tolist() + test.labels.tolist()) == sorted(list(range(MODELS)) * VIEWS)
    ordered = sorted(NAMES)
    found = set()
    for dataset in (train, test):
        for image, label in zip(dataset.images, dataset.labels.tolist()):
            model = NAMES.index(ordered[label])
            distances = [np.abs(image[0].numpy() - averaged(render(model, view))).max() for view in range(VIEWS)]
            assert min(distances) <= 0.5 + 1e-9
            found.add((label, int(np.argmin(distances))))
    assert found == {(label, view) for label in range(MODELS) for view in range(VIEWS)}
    assert train.source == test.source == f"{chairs.ARCHIVE}, SHA-256 {hashlib.sha256(content).hexdigest()}"
    assert train.sha256 != test.sha256

    path.unlink()  # the cache does without
    again, _ = splits_of(tmp_path)
    assert torch.equal(again.images, train.images) and torch.equal(again.labels, train.labels)
    assert again.sha256 == train.sha256
    few = load_dataset("chairs", "train", tmp_path, 5).images
    assert torch.equal(few, train.images[:5])
    assert few.untyped_storage().nbytes() == few.nbytes, "the rest is not kept in memory"


def test_order_in_the_archive_does_not_matter(renders, tmp_path):
    put(tmp_path / "a", tar(renders))
    put(tmp_path / "b", tar(dict(reversed(renders.items()))))
    a, b = (load_dataset("chairs", "test", tmp_path / folder) for folder in "ab")
    assert a.sha256 == b.sha256


def special(name, kind, target="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def test_hostile_members_are_passed_over(renders, tmp_path):
    inside = f"rendered_chairs/{NAMES[0]}/renders"
    (tmp_path / "secret.png").write_bytes(png(np.zeros((600, 600), np.uint8)))
    hostile = [
        special("../../escaped.png", tarfile.REGTYPE, size=5),
        special(str(tmp_path / "absolute.png"), tarfile.REGTYPE, size=5),
        special(f"{inside}/../../../../escaped.png", tarfile.REGTYPE, size=5),
        special("rendered_chairs/../renders/a.png", tarfile.REGTYPE, size=5),
        special(f"{inside}/link.png", tarfile.SYMTYPE, str(tmp_path / "secret.png")),
        special(f"{inside}/hard.png", tarfile.LNKTYPE, str(tmp_path / "secret.png")),
        special(f"{inside}/device.png", tarfile.CHRTYPE),
        special(f"{inside}/fifo.png", tarfile.FIFOTYPE),
        special(f"{inside}/folder.png", tarfile.DIRTYPE),
        special("rendered_chairs/elsewhere", tarfile.SYMTYPE, str(tmp_path)),
        special(f"{inside}/huge.png", tarfile.REGTYPE, size=chairs.MEMBER_BYTES + 1),
    ]
    put(tmp_path / "clean", tar(renders))
    put(tmp_path / "hostile", tar(renders, hostile))
    before = {path for path in tmp_path.rglob("*") if path.suffix == ".png"}
    clean, found = (load_dataset("chairs", "train", tmp_path / folder) for folder in ("clean", "hostile"))
    assert found.sha256 == clean.sha256
    assert {path for path in tmp_path.rglob("*") if path.suffix == ".png"} == before
    assert sorted(path.name for path in (tmp_path / "hostile").rglob("*.*")) == [
        "chairs_64.h5",
        chairs.ARCHIVE,
    ]


def without(renders, count):
    return dict(list(renders.items())[count:])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda renders: tar(renders)[: len(tar(renders)) // 2], "unexpected end of data"),
        (lambda renders: b"", "empty file"),
        (lambda renders: b"<html>not found</html>", ""),
        (lambda renders: tar({}), "it has 0 models of chairs instead of 6"),
        (lambda renders: tar(without(renders, VIEWS)), "it has 5 models of chairs instead of 6"),
        (lambda renders: tar(without(renders, 1)), f"model {NAMES[0]} has 3 views instead of 4"),
        (lambda renders: tar({**renders, next(iter(renders)): b"<html>"}), "not a picture in any known format"),
        (lambda renders: tar({**renders, next(iter(renders)): next(iter(renders.values()))[:900]}), "truncated"),
        (
            lambda renders: tar({**renders, next(iter(renders)): png(np.zeros((64, 64), np.uint8))}),
            "its size is 64x64 instead of 600x600",
        ),
    ],
    ids=["truncated", "empty", "html", "no chairs", "a model less", "a view less", "no png", "half a png", "small"],
)
def test_damaged_archive_is_told_in_one_line(renders, tmp_path, change, reason):
    path = put(tmp_path, change(renders))
    message = error_of_loading(tmp_path)
    assert message.startswith(f"{path} is not the original archive or is damaged (")
    assert reason in message
    assert message.endswith("replace it, or delete it to have it downloaded")
    assert not (path.parent / "chairs_64.h5").exists()


def test_damage_of_any_kind_is_told_in_one_line(renders, tmp_path, monkeypatch):
    put(tmp_path, tar(renders))
    monkeypatch.setattr(tarfile.TarFile, "extractfile", lambda *_: {}["a member"])
    assert "is not the original archive or is damaged ('a member')" in error_of_loading(tmp_path)


def test_missing_archive_is_downloaded_or_says_where_to_put_it(renders, tmp_path, mirror, monkeypatch):
    monkeypatch.setattr(chairs, "MIRRORS", (mirror.url(f"good/{chairs.ARCHIVE}"),))
    message = error_of_loading(tmp_path)
    assert message.endswith(
        f"fetch {mirror.url('good')}/{chairs.ARCHIVE} on a connected machine and put it into {tmp_path / 'chairs'}; "
        "digits, dsprites and mixture2d need no files"
    )
    assert not list(tmp_path.iterdir())
    for content, reason in (
        (b"<html>not here</html>", "it is no tar archive ("),
        (tar({}), "it is a tar archive that does not begin with rendered_chairs"),
        (tar({"cats/a.png": b""}), "it is a tar archive that does not begin with rendered_chairs"),
    ):
        mirror.files = {chairs.ARCHIVE: content}
        assert reason in error_of_loading(tmp_path)
        assert not list(tmp_path.iterdir())
    mirror.files = {chairs.ARCHIVE: tar(renders)}
    assert len(load_dataset("chairs", "test", tmp_path)) == 8


def test_original_sizes_and_the_split_for_ever(monkeypatch):
    monkeypatch.undo()
    assert chairs.MODELS * chairs.VIEWS == 86_366
    train, test = (
        chairs.split_indices(chairs.MODELS, split, test=chairs.TEST_MODELS, seed=chairs.SPLIT_SEED, name="chairs")
        for split in ("train", "test")
    )
    assert (len(train), len(test)) == (1254, 139)
    assert not set(train) & set(test)
    assert test[:5].tolist() == [823, 935, 937, 595, 747]


def test_real_images_keep_their_look(data_dir, tmp_path, monkeypatch):
    """Real images of 64x64, enlarged to renders, come back through the whole path as they were."""
    with np.load(data_dir / "chairs" / "sample_64.npz", allow_pickle=False) as archive:
        originals = archive["images"][: MODELS * VIEWS]
    members = {}
    for number, image in enumerate(originals):
        model, view = divmod(number, VIEWS)
        pixels = np.full((600, 600), 255, dtype=np.uint8)
        pixels[100:500, 100:500] = Image.fromarray(image).resize((400, 400), Image.Resampling.BICUBIC)
        members[f"rendered_chairs/{NAMES[model]}/renders/{view_name(view)}.png"] = png(pixels)
    put(tmp_path, tar(members))
    found = np.concatenate([dataset.images[:, 0].numpy() for dataset in splits_of(tmp_path)]).astype(int)
    for image in originals:
        assert np.abs(found - image).mean((1, 2)).min() < 2
