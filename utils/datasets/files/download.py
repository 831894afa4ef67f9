"""Files from the network: a few seconds' patience, a check, and a file that appears whole or not at all."""

import errno
import hashlib
import http.client
import os
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from utils.datasets.dataset import DatasetError
from utils.datasets.registry import dataset_names
from utils.machine.bars import bar
from utils.machine.locks import locked, made

CONNECT_SECONDS = 4  # until a mirror begins to answer; then the next one is tried
STALL_SECONDS = 20  # without a single byte, once the answer has begun
CHUNK_BYTES = 1 << 18
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def download(
    urls: Sequence[str],
    path: Path,
    digest: str | None,
    verify: Callable[[Path], None] | None = None,
    missing: Sequence[str] = (),
) -> None:
    """Fetches `path` from the first of several mirrors that delivers it intact.

    The bytes go to a hidden file beside `path`, which takes the name `path` once it is verified: killed at any moment,
    nothing unverified ever bears that name, and what is left is taken over by the next download. Of several processes
    at once, one fetches and the others wait.

    Arguments:
        urls: mirrors of the same file, tried in this order.
        path: where the file goes; its directory is made if need be.
        digest: algorithm and hex digest of the file, as in "md5:0123…" or "sha256:0123…"; None if unknown.
        verify: looks at what was sent where no digest is published; raises an OSError that says what is wrong.
        missing: the names of all files that the data set lacks, this one among them, if there are more.

    Raises:
        DatasetError: the directory cannot be written to or has no room, or no mirror delivered; says which file to
            put where.
    """
    part = path.with_name(f".{path.name}.part")
    failures = []
    with ExitStack() as stack:
        try:
            stack.enter_context(made(path.parent))
            stack.enter_context(_held(part))
        except OSError as error:
            raise DatasetError(
                f"{_missing(missing, path)} missing and {path.parent} cannot be written to ({error.strerror}); "
                f"{_remedy(urls, missing, path)}, or choose another data directory"
            ) from error
        if path.is_file():  # another process has fetched it meanwhile
            return
        for url in urls:
            try:
                _fetch(url, part, digest)
                if verify:
                    verify(part)
            except (OSError, http.client.HTTPException) as error:
                if getattr(error, "errno", None) in NO_ROOM:  # which is none of the mirror's
                    raise DatasetError(
                        f"{_missing(missing, path)} missing and there is no room in {path.parent} ({error.strerror}): "
                        "make room there, or choose another data directory"
                    ) from error
                failures.append(f"{urlsplit(url).netloc}: {getattr(error, 'reason', error)}")
            else:
                os.replace(part, path)
                return
    raise DatasetError(
        f"{_missing(missing, path)} missing and cannot be downloaded ({'; '.join(failures)}); "
        f"{_remedy(urls, missing, path)}; {_listed(dataset_names(without_files=True))} need no files"
    )


def _listed(names: Sequence[str]) -> str:
    """Names as in a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _missing(names: Sequence[str], path: Path) -> str:
    """What is missing, up to the verb."""
    return f"{_listed(names)} are" if len(names) > 1 else f"{path.name} is"


def _remedy(urls: Sequence[str], names: Sequence[str], path: Path) -> str:
    """Where to get what is missing, and where to put it."""
    several = len(names) > 1
    what = f"all of them from {urls[0].removesuffix(path.name)}" if several else urls[0]
    return f"fetch {what} on a connected machine and put {'them' if several else 'it'} into {path.parent}"


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of a file, read a piece at a time."""
    found = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


@contextmanager
def _held(part: Path) -> Iterator[None]:
    """Make a file if need be, hold its lock, and remove it in the end if it still bears that name."""
    with ExitStack() as stack:
        same = False
        while not same:  # whoever held it has removed or renamed it
            stack.close()
            part.touch()
            with suppress(FileNotFoundError):
                same = stack.enter_context(locked(part))
        stack.callback(part.unlink, missing_ok=True)
        yield


def _fetch(url: str, part: Path, digest: str | None) -> None:
    """Writes the body of `url` to `part`; an OSError unless all of it came and the digest agrees."""
    with _open(url) as response, part.open("wb") as file:
        length = response.length  # None if the mirror does not say
        name = urlsplit(url).path.rpartition("/")[2]
        with bar(total=length, desc=name, unit="B", unit_scale=True) as shown:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                shown.update(len(chunk))
        size = file.tell()
    if length is not None and size != length:
        raise OSError(f"broke off after {size} of {length} bytes")
    if digest is not None:
        algorithm, expected = digest.split(":")
        if (found := file_digest(part, algorithm)) != expected:
            raise OSError(f"sent {size} bytes with {algorithm} {found} instead of {expected}")


def _open(url: str):
    """The response to a GET of `url`, or an OSError within CONNECT_SECONDS.

    A time-out of urllib holds for each address of a host anew and not for the look-up of its name, which adds
    up to minutes behind a silent firewall; so the wait is for a thread, which may be abandoned.
    """
    answer = SimpleQueue()

    def attempt():
        try:
            answer.put(urllib.request.urlopen(url, timeout=STALL_SECONDS))
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            answer.put(error)
        except OSError as error:
            answer.put(error)
        except Exception as error:  # of any kind: the mirror and the proxy send what they like
            answer.put(OSError(f"{type(error).__name__}: {error}"))

    threading.Thread(target=attempt, daemon=True).start()
    try:
        result = answer.get(timeout=CONNECT_SECONDS)
    except Empty:
        raise TimeoutError(f"no answer within {CONNECT_SECONDS} seconds") from None
    if isinstance(result, Exception):
        raise result
    return result
