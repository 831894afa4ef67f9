import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from utils.datasets import DatasetError
from utils.datasets.files import download as downloading
from utils.datasets.files.download import download

CONTENT = bytes(range(256)) * 4000
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture(autouse=True)
def served(mirror):
    mirror.files = {"file.bin": CONTENT}


def error_of(urls, path, digest=DIGEST) -> str:
    with pytest.raises(DatasetError) as caught:
        download(urls, path, digest)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("digest", [DIGEST, f"md5:{hashlib.md5(CONTENT).hexdigest()}"])
def test_file_arrives_whole_and_alone(mirror, tmp_path, digest, capfd):
    path = tmp_path / "made" / "on the way" / "file.bin"
    download([mirror.url("good/file.bin")], path, digest)
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")  # the progress bar is for terminals


def test_next_mirror_is_tried_until_one_delivers(mirror, tmp_path):
    manners = ("missing/other.bin", "short/file.bin", "good/file.bin", "good/file.bin")
    download([mirror.url(manner) for manner in manners], tmp_path / "file.bin", DIGEST)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert mirror.requests == ["/missing/other.bin", "/short/file.bin", "/good/file.bin"]


@pytest.mark.parametrize(
    ("manner", "digest", "reason"),
    [
        ("good/file.bin", "md5:" + 32 * "0", "sent 1024000 bytes with md5"),
        ("short/file.bin", DIGEST, "broke off after 512000 of 1024000 bytes"),
        ("good/other.bin", DIGEST, "Not Found"),
    ],
)
def test_failure_leaves_no_file_and_says_what_to_do(mirror, tmp_path, manner, digest, reason):
    message = error_of([mirror.url(manner)], tmp_path / "file.bin", digest)
    assert reason in message
    assert f"fetch {mirror.url(manner)} on a connected machine and put it into {tmp_path}" in message
    assert not list(tmp_path.iterdir())


def test_every_mirror_is_named_with_its_reason(mirror, tmp_path):
    message = error_of([mirror.url("short/file.bin"), mirror.url("good/other.bin")], tmp_path / "file.bin")
    host = f"127.0.0.1:{mirror.server_port}"
    assert f"({host}: broke off after 512000 of 1024000 bytes; {host}: Not Found)" in message


def test_closed_port_is_told_at_once(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and never listens
        message = error_of([f"http://127.0.0.1:{unused.getsockname()[1]}/file.bin"], tmp_path / "file.bin")
    assert "Connection refused" in message and "no answer within" not in message


def test_silent_mirror_is_given_a_few_seconds(tmp_path, monkeypatch):
    assert downloading.CONNECT_SECONDS <= 5
    monkeypatch.setattr(downloading, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        message = error_of([f"http://127.0.0.1:{silent.getsockname()[1]}/file.bin"], tmp_path / "file.bin")
    assert "no answer within 0.2 seconds" in message, "not the 20 seconds of one that stalls"


def test_stalled_mirror_is_given_up(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(downloading, "STALL_SECONDS", 0.2)
    assert "timed out" in error_of([mirror.url("stall/file.bin")], tmp_path / "file.bin")
    assert not list(tmp_path.iterdir())


def test_directory_that_cannot_be_written_to_is_named(mirror, tmp_path):
    (tmp_path / "blocked").write_text("a file where a directory should be")
    message = error_of([mirror.url("good/file.bin")], tmp_path / "blocked" / "raw" / "file.bin")
    assert message.startswith(f"file.bin is missing and {tmp_path / 'blocked' / 'raw'} cannot be written to (")
    assert message.endswith("or choose another data directory")
    assert not mirror.requests


def test_a_full_disk_is_not_told_as_a_failure_of_the_mirror(mirror, tmp_path, monkeypatch):
    def full(url, part, digest):
        part.write_bytes(CONTENT[:5])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(downloading, "_fetch", full)
    urls = [mirror.url("good/file.bin"), mirror.url("good/file.bin")]
    expected = f"file.bin is missing and there is no room in {tmp_path} (No space left on device): make room there"
    assert error_of(urls, tmp_path / "file.bin").startswith(expected)
    assert not list(tmp_path.iterdir())


def test_simultaneous_downloads_do_no_harm(mirror, tmp_path):
    path = tmp_path / "file.bin"
    arguments = ([mirror.url("good/file.bin")], path, DIGEST)
    threads = [threading.Thread(target=download, args=arguments) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]
    assert len(mirror.requests) == 1, "one fetches, the others wait"


def test_when_one_download_fails_the_next_that_waits_has_its_turn(mirror, tmp_path):
    mirror.files = {"file.bin": CONTENT[:-1]}
    messages = []
    arguments = ([mirror.url("good/file.bin")], tmp_path / "file.bin")
    threads = [threading.Thread(target=lambda: messages.append(error_of(*arguments))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(messages) == len(mirror.requests) == 4
    assert not list(tmp_path.iterdir())


def test_what_fails_the_check_does_not_become_the_file(mirror, tmp_path):
    def verify(part):
        assert part.read_bytes() == CONTENT
        raise OSError("it is a web page")

    with pytest.raises(DatasetError, match="it is a web page"):
        download([mirror.url("good/file.bin")], tmp_path / "file.bin", None, verify)
    assert not list(tmp_path.iterdir())


def test_error_of_any_kind_is_that_of_the_mirror(mirror, tmp_path):
    assert "ValueError: unknown url type" in error_of(["nowhere"], tmp_path / "file.bin")


@pytest.mark.slow
def test_killed_download_is_not_taken_for_the_file(mirror, tmp_path):
    path = tmp_path / "file.bin"
    code = "import sys; from pathlib import Path; from utils.datasets.files.download import download; "
    code += "download([sys.argv[1]], Path(sys.argv[2]), sys.argv[3])"
    command = [sys.executable, "-c", code, mirror.url("stall/file.bin"), str(path), DIGEST]
    with subprocess.Popen(command) as process:
        begun = mirror.half_sent.wait(60)
        process.kill()
    assert begun
    assert process.returncode == -signal.SIGKILL
    assert [file.name for file in tmp_path.iterdir()] == [".file.bin.part"]
    download([mirror.url("good/file.bin")], path, DIGEST)
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]
