"""Five gigabytes from a hub of our own with fifty faults: ``python -m tests.store_bench [--gigabytes G] [--faults N]``.

Ends with status 1 unless every file has the published SHA-256 (asked of ``sha256sum``) and no byte was fetched twice
but those of the file that changed on the server meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from live_avatar.store.download import DownloadOptions, download_model
from live_avatar.store.pace import Patience
from tests.hub_server import BASE, LORA, Drawn, Fault, Hub, some_faults
from tests.store_material import DEMO, Heard

_VICTIM = "Wan2.1_VAE.pth"


def main() -> int:
    """Run it; the exit status says whether the bar is met."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--parts", type=int, default=4)
    options = parser.parse_args()
    size = int(options.gigabytes * 1e9)
    files: dict[str, Drawn | Path] = {
        "config.json": DEMO / "config.json",
        "diffusion_pytorch_model-00001-of-00002.safetensors": Drawn(size * 6 // 10, 1),
        "diffusion_pytorch_model-00002-of-00002.safetensors": Drawn(size * 2 // 10, 2),
        "models_t5_umt5-xxl-enc-bf16.pth": Drawn(size // 10, 3),
        _VICTIM: Drawn(size // 20, 4),
    }
    lora: dict[str, Drawn | Path] = {"liveavatar.safetensors": Drawn(size // 20, 5)}
    faults: list[Fault] = ["changed", *some_faults(options.faults - 1, options.seed)]
    with (
        Hub({BASE: files, LORA: lora}, faults) as hub,
        tempfile.TemporaryDirectory(prefix="avatar-studio-download-") as folder,
    ):
        hub.every = 2
        # The change comes in the middle of a file: some of it is there already.
        victim = hub.file(_VICTIM)
        hub.fits = lambda fault, served: fault != "changed" or (served is victim and len(served.requests) >= 3)
        heard = Heard()
        patience = Patience(silence_seconds=2.0, tries=12, first_wait_seconds=0.1)
        wanted = DownloadOptions(
            Path(folder),
            endpoint=hub.url,
            parts=options.parts,
            patience=patience,
            stretch_bytes=min(64 << 20, size // 160),
        )
        begun = time.monotonic()
        result = download_model(wanted, heard, threading.Event())
        seconds = time.monotonic() - begun
        right = True
        for files_of in hub.repositories.values():
            for path, served in files_of.items():
                told = subprocess.run(["sha256sum", Path(folder) / path], capture_output=True, text=True, check=True)
                right &= told.stdout.split()[0] == served.sha256
        twice = result.fetched_bytes - result.bytes
        restarted = hub.done["changed"] * hub.file(_VICTIM).size
        print(f"{result.bytes / 1e9:.2f} GB in {seconds:.0f} s, {result.bytes / 1e6 / seconds:.0f} MB/s")
        print(f"faults: {dict(sorted(hub.done.items()))}, {sum(hub.done.values())} in all")
        of_changed = " (of the changed file, begun anew)" if twice else ""
        print(f"checksums right: {right}; fetched twice: {twice} bytes{of_changed}")
        print(f"notes: {[text for _, text in heard.notes]}")
        return 0 if right and not hub.faults and 0 <= twice < max(1, restarted) else 1


if __name__ == "__main__":
    sys.exit(main())
