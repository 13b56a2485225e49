"""How long each part of the model takes to load."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from live_avatar.bench.figures import Figure
from live_avatar.bench.settings import Setup
from live_avatar.bench.stopwatch import timed
from live_avatar.checkpoint.fingerprint import weights_fingerprint
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.lora import read_lora, resolve_lora
from live_avatar.models import load_audio, load_text, load_transformer, load_vae
from live_avatar.numerics import choose_device, choose_precisions


def measure_load(setup: Setup) -> Iterator[Figure]:
    """Each part loaded twice; the first time brings its libraries with it.

    Raises:
        UserError: ``CHECKPOINT_…``, ``LORA_…``, ``DEVICE_UNAVAILABLE``.
    """
    layout = CheckpointLayout.find(setup.ckpt_dir)
    device = choose_device(setup.device)
    precisions = choose_precisions("auto", device)
    lora = None if setup.lora is None else read_lora(resolve_lora(setup.lora, layout.root.parent))
    merge = None if lora is None else lora.merge
    parts: dict[str, Callable[[], torch.nn.Module]] = {
        "denoiser" + ("" if lora is None else ", LoRA merged"): lambda: load_transformer(
            layout, precisions.denoiser, device, merge
        ),
        "VAE": lambda: load_vae(layout, precisions.vae, device),
        "text encoder": lambda: load_text(layout, precisions.denoiser, device).model,
        "speech encoder": lambda: load_audio(layout, precisions.denoiser, device).model,
    }
    files = layout.files if lora is None else (*layout.files, lora.path)
    seconds, _ = timed(lambda: weights_fingerprint(files))
    size = sum(path.stat().st_size for path in files)
    yield Figure("fingerprint of the weights", seconds, "s", note=f"{size / 1e6:,.0f} MB of files")
    for name, load in parts.items():
        first, model = timed(load)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        del model  # a large model does not fit twice
        again = timed(load)[0]
        note = f"again {again:.2f} s; {parameters / 1e6:,.1f} million parameters"
        yield Figure(f"load {name}", first, "s", note=note)
