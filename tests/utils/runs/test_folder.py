import errno
import json
import os

import pytest
import torch

from mistakes import Bomb
from utils.runs import folder as results
from utils.runs.folder import (
    CHECKPOINT,
    CONFIG,
    METRICS,
    MODEL,
    PAGES,
    PREVIOUS_CHECKPOINT,
    ResultsError,
    ResultsFolder,
)
from vae.saved import load_tensors


@pytest.fixture
def folder(tmp_path):
    folder = ResultsFolder(tmp_path / "results" / "exp")
    with folder.held():
        yield folder


def test_a_failed_write_leaves_what_stood_there(folder):
    folder.write_json(CONFIG, {"a": 1})

    def fail(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(ResultsError, match=r"cannot write .*config.json \(No space left on device\)"):
        folder.replace(CONFIG, fail)
    assert json.loads((folder / CONFIG).read_text()) == {"a": 1}
    assert os.listdir(folder.path) == [CONFIG]


def test_of_lines_that_a_full_disk_cuts_off_none_is_left(folder, monkeypatch):
    folder.append_metrics({"epoch": 1, "split": "train", "loss": 1.0})

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultsError, match=r"cannot write .*metrics.jsonl \(No space left on device\)"):
        folder.append_metrics({"epoch": 2, "split": "train", "loss": 1.0}, {"epoch": 2, "split": "test"})
    assert (folder / METRICS).read_text() == '{"epoch": 1, "split": "train", "loss": 1.0}\n'


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EIO])
def test_what_cannot_be_written_is_named_with_the_reason(folder, monkeypatch, code):
    folder.append_metrics({"epoch": 1, "split": "train", "loss": 1.0})
    folder.save_checkpoint({"epoch": 1})
    before = {path: path.read_bytes() for path in folder.path.iterdir()}

    def refuse(path, mode="r", *arguments, **options):
        if mode.startswith("r"):
            return open(path, mode, *arguments, **options)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(results, "open", refuse, raising=False)
    for name, write in (
        (METRICS, lambda: folder.append_metrics({"epoch": 2, "split": "train", "loss": 1.0})),
        (CHECKPOINT, lambda: folder.save_checkpoint({"epoch": 2})),
        (CONFIG, lambda: folder.write_json(CONFIG, {})),
    ):
        name = PREVIOUS_CHECKPOINT if name == CHECKPOINT else name  # which is written first
        with pytest.raises(ResultsError) as caught:
            write()
        assert str(caught.value) == (
            f"cannot write {folder / name} ({os.strerror(code)}): what was saved before is untouched; "
            "put that right, then the same command begins it again"
        )
    assert {path: path.read_bytes() for path in folder.path.iterdir()} == before


def test_numbers_that_json_does_not_have_are_refused(folder):
    with pytest.raises(ValueError, match="JSON"):
        folder.write_json(CONFIG, {"a": float("nan")})
    assert os.listdir(folder.path) == []


def test_metrics_forget_a_line_cut_short_and_lines_after_the_checkpoint(folder):
    for epoch in (1, 2, 3):
        folder.append_metrics({"epoch": epoch, "split": "train", "loss": 1.0})
    with open(folder / METRICS, "a") as file:
        file.write('{"epoch": 4, "sp')
    assert [record["epoch"] for record in folder.read_metrics()] == [1, 2, 3]
    folder.drop_metrics_after(2)
    assert [json.loads(line)["epoch"] for line in (folder / METRICS).read_text().splitlines()] == [1, 2]


def test_a_damaged_line_among_the_metrics_is_named(folder):
    (folder / METRICS).write_bytes(b'{"epoch": 1, "split": "train", "loss": 1.0}\n\0\0\n{"epoch": 3}\n')
    with pytest.raises(ResultsError, match="line 2 of .*metrics.jsonl is damaged"):
        folder.read_metrics()


@pytest.mark.parametrize(
    "line",
    [b"5", b"[]", b'{"split": "train", "loss": 1.0}', b'{"epoch": "1", "split": "train", "loss": 1.0}', b"[" * 10**5],
)
def test_a_line_of_metrics_that_is_none_is_named(folder, line):
    (folder / METRICS).write_bytes(line + b'\n{"epoch": 1, "split": "train", "loss": 1.0}\n')
    with pytest.raises(ResultsError, match="line 1 of .*metrics.jsonl is damaged"):
        folder.read_metrics()


@pytest.mark.parametrize("epochs", [[], [1, 3], [1, 2, 2, 3], [2, 1, 3]])
def test_lines_of_metrics_that_the_checkpoint_knows_of_are_missed(folder, epochs):
    for epoch in epochs:
        folder.append_metrics({"epoch": epoch, "split": "train", "loss": 1.0})
    with pytest.raises(ResultsError, match="does not have a train line for each of the checkpoint's epochs 1 to 3"):
        folder.drop_metrics_after(3)


def test_the_checkpoint_before_the_last_is_kept(folder):
    assert folder.load_checkpoint() is None
    for epoch in (1, 2, 3):
        folder.save_checkpoint({"epoch": epoch})
    assert folder.load_checkpoint() == {"epoch": 3}
    assert torch.load(folder / PREVIOUS_CHECKPOINT, weights_only=True) == {"epoch": 2}


def truncate(content):
    return content[: len(content) // 2]


def flip_a_bit_of_the_weights(content):
    damaged = bytearray(content)
    damaged[content.index(torch.arange(100.0).numpy().tobytes()) + 40] ^= 1
    return bytes(damaged)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit_of_the_weights, lambda content: b"", lambda content: b"junk"])
def test_a_damaged_checkpoint_is_refused_with_the_way_out(folder, damage):
    state = {"epoch": 1, "weights": torch.arange(100.0)}
    folder.save_checkpoint(state)
    folder.save_checkpoint(state)
    path = folder / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ResultsError) as caught:
        folder.load_checkpoint()
    message = str(caught.value)
    assert message.startswith(f"{path} is damaged")
    assert f"mv {folder / PREVIOUS_CHECKPOINT} {path}" in message
    assert "\n" not in message


@pytest.mark.slow
def test_every_damaged_byte_and_every_missing_end_is_noticed(folder):
    state = {"epoch": 1, "weights": torch.arange(10.0)}
    folder.save_checkpoint(state)
    path = folder / CHECKPOINT
    whole = path.read_bytes()
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        for damaged in (flipped, whole[:position]):
            path.write_bytes(damaged)
            with pytest.raises(ResultsError, match=r"checkpoint\.pt is damaged"):
                folder.load_checkpoint()
    path.write_bytes(whole)
    assert folder.load_checkpoint()["weights"].equal(state["weights"])


def test_what_torch_itself_wrote_is_read_and_what_is_written_can_be_read_by_torch(folder):
    torch.save({"epoch": 7}, folder / CHECKPOINT)
    assert folder.load_checkpoint() == {"epoch": 7}
    folder.save_model({"model": {"weight": torch.ones(2)}})
    assert torch.load(folder / MODEL, weights_only=True)["model"]["weight"].tolist() == [1, 1]


def test_code_in_a_weights_file_is_not_run(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Bomb()}, folder / MODEL)
    with pytest.raises(ResultsError, match="is damaged"):
        load_tensors(folder / MODEL, remedy="restore it")
    assert not (tmp_path / "exploded").exists()


def test_a_link_in_the_folder_leads_nowhere(folder, tmp_path):
    (tmp_path / "precious").write_text("mine")
    for name in (CONFIG, ".config.json.partial"):
        (folder / name).symlink_to(tmp_path / "precious")
    folder.write_json(CONFIG, {"a": 1})
    assert (tmp_path / "precious").read_text() == "mine"
    assert json.loads((folder / CONFIG).read_text()) == {"a": 1}
    assert os.listdir(folder.path) == [CONFIG]


def test_clearing_keeps_what_is_the_users(folder):
    folder.write_json(CONFIG, {})
    for name in (*PAGES, "notes.txt"):
        (folder / name).write_text("of the old run, or mine")
    folder.clear()
    assert os.listdir(folder.path) == ["notes.txt"]


def test_a_missing_checkpoint_is_not_passed_over_where_there_is_one_before_it(folder):
    for epoch in (1, 2):
        folder.save_checkpoint({"epoch": epoch})
    (folder / CHECKPOINT).unlink()
    with pytest.raises(ResultsError, match=r"checkpoint.pt cannot be read .* mv .*checkpoint-previous.pt"):
        folder.load_checkpoint()


def test_only_an_empty_folder_or_what_a_crash_left_counts_as_free(folder):
    folder.check_free(overwrite=False)
    (folder / ".config.json.partial").touch()
    folder.check_free(overwrite=False)
    (folder / "anything").touch()
    with pytest.raises(ResultsError, match="exists: choose another name, or --overwrite"):
        folder.check_free(overwrite=False)
    folder.check_free(overwrite=True)
    (folder / CONFIG).touch()
    with pytest.raises(ResultsError, match="exists: choose another name, --resume to go on with it, or --overwrite"):
        folder.check_free(overwrite=False)
    with pytest.raises(ResultsError, match="not a folder that can be written to"):
        ResultsFolder(folder / "anything").check_free(overwrite=True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ResultsError, match="not a folder that can be written to: choose another --results-dir"),
        ResultsFolder(tmp_path / "file" / "exp").held(),
    ):
        pass


def test_one_process_at_a_time(folder):
    with pytest.raises(ResultsError, match="another process is at work in .*exp"), ResultsFolder(folder.path).held():
        pass
