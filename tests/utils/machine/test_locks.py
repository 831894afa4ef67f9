"""Locks of folders that come and go."""

import threading

import pytest

from utils.machine.locks import held


def test_a_folder_is_held_by_one_at_a_time_and_goes_again_if_it_stays_empty(tmp_path):
    folder = tmp_path / "above" / "exp"
    with held(folder), pytest.raises(BlockingIOError), held(folder, wait=False):
        pass
    assert not folder.parent.exists()
    with held(folder):
        (folder / "file").touch()
    assert folder.exists()


def test_who_waits_for_a_folder_that_goes_makes_it_anew_and_holds_that(tmp_path):
    folder, begun, found = tmp_path / "exp", threading.Event(), []

    def wait_for_it():
        begun.set()
        with held(folder):
            with pytest.raises(BlockingIOError), held(folder, wait=False):
                pass
            found.append(folder.is_dir())

    with held(folder):
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        begun.wait()
    waiting.join()
    assert found == [True] and not folder.exists()


@pytest.mark.parametrize("name", ["gone", "gone/exp"])
def test_below_a_link_to_nothing_there_is_no_folder_to_hold(tmp_path, name):
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    for wait in (True, False):
        with pytest.raises(NotADirectoryError, match="gone is a link to nothing"), held(tmp_path / name, wait=wait):
            pass
