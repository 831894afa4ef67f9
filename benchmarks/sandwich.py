#!/usr/bin/env python3
"""How near the importance-weighted evidence of trained models comes to the truth: bounds from both sides.

    python benchmarks/sandwich.py RUN... [--images N] [--steps N] [--chains N] [--importance-samples K] [--seed N]
        [--device NAME]

Each RUN is the folder of a run that has ended. Its model makes images of its own, for which annealed importance
sampling from the prior is a lower bound of log p(x), and from the z that they were made of an upper bound (Grosse et
al. 2015, see vae/evaluation/annealing.py), with step sizes tuned on other images of the model. Beside the bounds stands
what `--importance-samples K` would say of the same images. All are means in nats; the error of the estimate is at most
its distance from the bounds, on images of the model. Writes results/benchmarks/sandwich.json.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from measuring import write_report

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import vae  # noqa: E402
from utils.machine.environment import choose_device, keep_freed_memory  # noqa: E402
from vae.evaluation.annealing import sandwich, simulate, tune  # noqa: E402
from vae.evaluation.evidence import effective_sample_size, importance_log_weights, log_evidence  # noqa: E402
from vae.evaluation.measuring import measuring  # noqa: E402
from vae.random import Stream  # noqa: E402

PILOT_IMAGES = 20


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The bounds and the estimate of one run."""
    device = choose_device(arguments.device)
    model, _, config = vae.load(folder, device)
    with measuring(device, arguments.seed, Stream.EVIDENCE):
        _, pilot = simulate(model, PILOT_IMAGES)
        schedule = tune(model, pilot, arguments.steps)
        z, images = simulate(model, arguments.images)
        bounds = sandwich(model, z, images, schedule, chains=arguments.chains)
        log_weights = importance_log_weights(model, images, arguments.importance_samples)
    estimate, gap = log_evidence(log_weights), bounds.upper - bounds.lower
    return {
        "run": folder.name,
        "loss": config.loss,
        "loss_options": dict(config.loss_options),
        "rec_dist": config.rec_dist,
        "lower": bounds.lower.mean().item(),
        "upper": bounds.upper.mean().item(),
        "gap": gap.mean().item(),
        "gap_error": (gap.std() / len(gap) ** 0.5).item(),
        "estimate": estimate.mean().item(),
        "below_upper": (bounds.upper - estimate).mean().item(),
        "above_lower": (estimate - bounds.lower).mean().item(),
        "effective_sample_size": effective_sample_size(log_weights).mean().item(),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run that has ended")
    parser.add_argument("--images", type=int, default=100, help="images that each model makes (default: 100)")
    parser.add_argument("--steps", type=int, default=1000, help="steps from prior to posterior (default: 1000)")
    parser.add_argument("--chains", type=int, default=1, help="chains of an image in each direction (default: 1)")
    parser.add_argument("--importance-samples", type=int, default=1000, help="draws of the estimate (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="fixes the images and all draws (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    arguments = parser.parse_args()
    keep_freed_memory()
    rows = []
    for folder in arguments.runs:
        rows.append(row := measure(folder, arguments))
        print(
            f"{row['run']}: log p(x) from {row['lower']:.2f} to {row['upper']:.2f}, a gap of {row['gap']:.2f} "
            f"± {row['gap_error']:.2f}; the estimate is {row['estimate']:.2f}, "
            f"{row['below_upper']:.2f} below the upper bound",
            flush=True,
        )
    settings = {name: getattr(arguments, name) for name in ("images", "steps", "chains", "importance_samples", "seed")}
    write_report("sandwich", {"settings": settings, "runs": rows})


if __name__ == "__main__":
    main()
