#!/usr/bin/env python3
"""How many images a second the decoder in the browser makes, see utils/explore: of a 64x64 model of random weights.

    python benchmarks/explore.py

Needs Chromium and its driver, and what requirements-dev.txt installs. It is measured by the CPU's own clock, in all
processes of the browser, so that other work on the machine does not matter: on one free core it is at least that fast.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import psutil
import torch
from selenium import webdriver

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from utils.explore.decoders import describe  # noqa: E402
from vae.models import build_model  # noqa: E402

WARM, FRAMES = 50, 300
DECODE = """
for (let frame = 0; frame < arguments[0]; frame++)
  decoder.decode(Float32Array.from({length: 10}, (_, j) => Math.sin(frame + j)));
"""


def main() -> None:
    """Print the frames per second of CPU time."""
    torch.manual_seed(0)
    model = describe(build_model((1, 64, 64)))
    script = (ROOT / "utils/explore/decoder.js").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(f"<script>{script}; const decoder = new Decoder({json.dumps(model)})</script>")
        seconds = measured(page)
    print(f"{FRAMES / seconds:.0f} images of 64x64 per second of CPU time")


def measured(page: Path) -> float:
    """The seconds of CPU time that FRAMES images take."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)
    try:
        browser.get(page.as_uri())
        browser.execute_script(DECODE, WARM)
        before = cpu_seconds(service.process.pid)
        browser.execute_script(DECODE, FRAMES)
        return cpu_seconds(service.process.pid) - before
    finally:
        browser.quit()


def cpu_seconds(pid: int) -> float:
    """What a process and all that it has started have used."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


if __name__ == "__main__":
    main()
