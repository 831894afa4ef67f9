#!/usr/bin/env python3
"""What the long evaluations cost, and which part of each costs most: evidence, disentanglement, the report of a grid.

    python benchmarks/evaluation.py [--images N] [--evidence-images N] [--samples K] [--data-dir DIR]

All in CPU time of one thread, with untrained models, on which the time does not depend: the evidence of MNIST's test
images with K draws each; disentanglement over all of dSprites, or its first N images; the report of the reference runs
of Table 1. Writes results/benchmarks/evaluation.json.
"""

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from measuring import DATA_DIR, write_report

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from utils.datasets import load_dataset  # noqa: E402
from utils.machine.environment import keep_freed_memory  # noqa: E402
from utils.report import write_report as write_grid_report  # noqa: E402
from utils.report.findings import Findings, read_findings  # noqa: E402
from vae.evaluation.disentanglement import METRICS  # noqa: E402
from vae.evaluation.evaluator import Evaluator  # noqa: E402
from vae.evaluation.evidence import estimate_evidence  # noqa: E402
from vae.losses import build_loss  # noqa: E402
from vae.models import VAE, build_model  # noqa: E402

LATENT_DIM = 10


def seconds(work: Callable[[], Any]) -> float:
    """The CPU time of a function."""
    start = time.process_time()
    work()
    return time.process_time() - start


@contextlib.contextmanager
def timed(network: torch.nn.Module) -> Iterator[list[float]]:
    """A list of the CPU time of every pass through a network meanwhile."""
    starts, times = [], []
    before = network.register_forward_pre_hook(lambda *_: starts.append(time.process_time()))
    after = network.register_forward_hook(lambda *_: times.append(time.process_time() - starts[-1]))
    try:
        yield times
    finally:
        before.remove()
        after.remove()


def evidence(data_dir: str, images: int, samples: int) -> dict[str, float]:
    """Seconds an image, and the share of them that is the decoder's."""
    model = untrained((1, 32, 32))
    data = load_dataset("mnist", "test", data_dir, images).data
    with timed(model.decoder) as decoding:
        taken = seconds(lambda: estimate_evidence(model, data, samples, seed=1))
    return {"images": images, "samples": samples, "seconds_an_image": taken / images, "decoder": sum(decoding) / taken}


def disentanglement(data_dir: str, images: int | None) -> dict[str, Any]:
    """Seconds of all, of the encoder, and of each metric on the same posteriors."""
    model = untrained((1, 64, 64))
    splits = [load_dataset("dsprites", "train", data_dir, images)]
    splits += [load_dataset("dsprites", "test", data_dir)] if images is None else []
    loss = build_loss("KL", dataset_size=len(splits[0]), latent_dim=LATENT_DIM)
    judge = Evaluator(model, loss, batch_size=64, seed=1)
    metrics: dict[str, float] = {}
    with timed(model.encoder) as encoding, each_timed(metrics):
        taken = seconds(lambda: judge.disentanglement((split.data, split.factors) for split in splits))
    return {"images": sum(map(len, splits)), "seconds": taken, "encoder": sum(encoding), "metrics": metrics}


@contextlib.contextmanager
def each_timed(times: dict[str, float]) -> Iterator[None]:
    """Note the CPU time of each metric meanwhile."""
    plain = dict(METRICS)

    def noting(name: str) -> Callable[..., Any]:
        def metric(*arguments: Any) -> Any:
            start = time.process_time()
            scores = plain[name](*arguments)
            times[name] = time.process_time() - start
            return scores

        return metric

    METRICS.update({name: noting(name) for name in plain})
    try:
        yield
    finally:
        METRICS.update(plain)


def report() -> dict[str, float]:
    """Seconds of the report of Table 1's reference runs, and of the search for the command that makes them."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "results" / "reference" / "table1", Path(folder, "table1"))
        findings: Findings = read_findings(Path(folder, "table1"))
        search = seconds(lambda: findings.grid)
        with contextlib.redirect_stdout(io.StringIO()):
            taken = seconds(lambda: write_grid_report("table1", Path(folder)))
    return {"seconds": taken, "search_for_the_command": search}


def untrained(image_shape: tuple[int, ...]) -> VAE:
    """A model with the weights of seed 0."""
    torch.manual_seed(0)
    return build_model(image_shape, LATENT_DIM, "bernoulli").eval()


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, help="images of dSprites (default: all 737,280)")
    parser.add_argument("--evidence-images", type=int, default=40, help="images of MNIST (default: 40)")
    parser.add_argument("--samples", type=int, default=1000, help="draws of z for an image's evidence (default: 1000)")
    parser.add_argument("--data-dir", default=DATA_DIR, help="where MNIST lies")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    parts = {
        "evidence": lambda: evidence(arguments.data_dir, arguments.evidence_images, arguments.samples),
        "disentanglement": lambda: disentanglement(arguments.data_dir, arguments.images),
        "report": report,
    }
    found = {}
    for name, measure in parts.items():
        found[name] = measure()
        print(f"{name}: {found[name]}", flush=True)
    write_report("evaluation", found)


if __name__ == "__main__":
    main()
