"""Measures what loading and streaming cost on a card: ``python -m live_avatar.bench.fast_loading DIR``.

``DIR`` is a model folder; if there is none, a random one is made. Everything is measured with files in the page cache
as the run leaves them; ``--only`` picks sections. Prints a table as it goes, and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from live_avatar.bench.fast_report import GB, Report
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.lora import LORA_FILE_NAME, read_lora
from live_avatar.checkpoint.random_weights import write_random_model
from live_avatar.fast.flat_layer import content_sum
from live_avatar.fast.loading import load_fast_transformer
from live_avatar.fast.pinned_memory import HostBuffer
from live_avatar.fast.placement import Placement, streamed_indices
from live_avatar.fast.read_ahead import ReadAhead, ReadRequest
from live_avatar.fast.streamed_cache import StreamedCache
from live_avatar.fast.streamed_layers import HostLayer, StreamedLayers
from live_avatar.fast.weight_cache import CacheSettings
from live_avatar.fast.weights import LayerWeights, layer_of_tensors

_PASSES = 5
_COPY_MEGABYTES = (8, 32, 320)
# Tokens of a window: conditions 2.5 latent frames, ring 12; 384 tokens a latent frame at 384x256.
_FRAME_TOKENS = 384
_WINDOW_TOKENS = _FRAME_TOKENS * 29 // 2


@dataclass
class Setup:
    """What is measured."""

    folder: Path
    cache: CacheSettings
    placement: Placement
    threads: Sequence[int]
    report: Report

    @property
    def layout(self) -> CheckpointLayout:
        """The folder's files."""
        return CheckpointLayout.find(self.folder)

    def load(self, placement: Placement | None = None, threads: int = 8) -> Any:
        """Load with the cache; (module, store)."""
        lora = self.folder / LORA_FILE_NAME
        return load_fast_transformer(
            self.layout,
            read_lora(lora) if lora.is_file() else None,
            "float8",
            self.report.device,
            placement or self.placement,
            cache=self.cache,
            warn=lambda code, text: print(f"WARNING {code}: {text}", flush=True),
            threads=threads,
        )


def measure_loads(setup: Setup) -> None:
    """The first load, which prepares and writes, and later ones."""
    report = setup.report
    known = any(setup.cache.root.rglob("manifest.json"))
    with report.timed("load", "a cache was there" if known else "first: read or draw, prepare, write"):
        setup.load()
    size = sum(path.stat().st_size for path in setup.cache.root.rglob("*.safetensors"))
    for threads in setup.threads:
        with report.timed("load", f"from the cache, {threads} threads", size):
            setup.load(threads=threads)
    off = Setup(setup.folder, CacheSettings(enabled=False), setup.placement, (), report)
    with report.timed("load", "first, without writing"):
        off.load()


def measure_streamed_loads(setup: Setup) -> None:
    """A load into pinned memory, and passes that only copy."""
    report, placement = setup.report, setup.placement
    streamed = Placement(0, placement.conditions, placement.host_text, placement.host_audio)
    with report.timed("stream", "load with no layer resident") as values:
        _, store = setup.load(streamed)
        values["pinned"] = store.pinned
    for resident in (0, 10, 20):
        part = _with_resident(store, resident, report.device)
        _measure_passes(report, f"{resident} of {len(part._layers)} layers resident", part.streamed_bytes, part.walk)
        del part


def _with_resident(store: StreamedLayers, resident: int, device: torch.device) -> StreamedLayers:
    """The same layers with some moved to the device."""
    streamed = streamed_indices(len(store._layers), resident)
    layers: list[LayerWeights | HostLayer] = []
    for index, layer in enumerate(store._layers):
        assert isinstance(layer, HostLayer)
        if index in streamed:
            layers.append(layer)
        else:
            layers.append(layer_of_tensors(layer.layout.views(layer.buffer.data.to(device))))
    return StreamedLayers(layers, device)


def _measure_passes(report: Report, what: str, size: int, walk: Callable[[], Iterator[object]]) -> None:
    for _ in walk():
        pass
    report.synchronize()
    started = time.perf_counter()
    for _ in range(_PASSES):
        for _ in walk():
            pass
    queued = time.perf_counter() - started
    report.synchronize()
    seconds = (time.perf_counter() - started) / _PASSES
    values = {
        "ms": seconds * 1e3,
        "GB": size / GB,
        "GB/s": size / seconds / GB,
        "ms to queue": queued / _PASSES * 1e3,
    }
    report.add("stream", f"pass of copies, {what}", **values)


def measure_copies(setup: Setup) -> None:
    """Rates between host and card for pieces of several sizes, by kind of host memory."""
    report, device = setup.report, setup.report.device
    for megabytes in _COPY_MEGABYTES:
        size = megabytes << 20
        with report.timed("copies", f"pin {megabytes} MiB in place", size):
            registered = HostBuffer(size, device)
        pinned = device.type == "cuda"
        kinds = {
            f"in place (pinned {registered.pinned})": registered.data,
            "pinned by torch": torch.empty(size, dtype=torch.uint8, pin_memory=pinned),
            "not pinned": torch.zeros(size, dtype=torch.uint8),
        }
        there = torch.zeros(size, dtype=torch.uint8, device=device)
        for kind, host in kinds.items():
            for way, target, source in (("to the card", there, host), ("to the host", host, there)):
                rate = _copy_rate(report, [(target, source)])
                report.add("copies", f"{megabytes} MiB {kind}, {way}", **{"GB/s": rate})
    both = [torch.zeros(256 << 20, dtype=torch.uint8, device=device) for _ in range(2)]
    hosts = [HostBuffer(256 << 20, device) for _ in range(2)]
    rate = _copy_rate(report, [(both[0], hosts[0].data), (hosts[1].data, both[1])])
    report.add("copies", "both ways at once, sum", **{"GB/s": rate})
    layer = torch.zeros(320 << 20, dtype=torch.uint8, device=device)
    with report.timed("copies", "check sum of 320 MiB on the device", layer.numel()):
        content_sum(layer)
    with report.timed("copies", "check sum of 320 MiB on the host", layer.numel()):
        content_sum(hosts[0].data)


def _copy_rate(report: Report, pairs: list[tuple[Tensor, Tensor]]) -> float:
    """Bytes a second (in GB) of copies, each pair on a stream of its own."""
    streams = [torch.cuda.Stream(report.device) for _ in pairs] if report.device.type == "cuda" else [None] * len(pairs)
    size = sum(target.numel() for target, _ in pairs)
    repeats = max(3, min(40, 2**31 // size))
    for round_ in range(2):  # the first warms up
        report.synchronize()
        started = time.perf_counter()
        for _ in range(repeats if round_ else 2):
            for stream, (target, source) in zip(streams, pairs, strict=True):
                with torch.cuda.stream(stream):
                    target.copy_(source, non_blocking=True)
        report.synchronize()
    return size * repeats / (time.perf_counter() - started) / GB


def measure_cache(setup: Setup) -> None:
    """Passes over a streamed cache of e4m3 keys and values at 384x256, without attention."""
    report, layers, steps = setup.report, 40, 4
    block = 3 * _FRAME_TOKENS
    with report.timed("kv", "make and pin the cache") as values:
        cache = StreamedCache(
            steps, layers, _WINDOW_TOKENS, 40, 128, torch.float8_e4m3fn, report.device, rolled_rows=_FRAME_TOKENS
        )
        values["pinned"] = cache.pinned

    def run(steps: slice) -> Iterator[None]:
        cache.begin(steps, _WINDOW_TOKENS)
        for layer in range(layers):
            cache.window(layer)
            yield
            cache.written(layer, [_WINDOW_TOKENS - block] * (steps.stop - steps.start), block)

    size = cache.pass_bytes(steps, _WINDOW_TOKENS)
    _measure_passes(report, "keys and values, 4 packed steps", size, lambda: run(slice(0, steps)))
    sequence = lambda: (None for step in range(steps) for _ in run(slice(step, step + 1)))  # noqa: E731
    _measure_passes(report, "keys and values, 4 steps in sequence", size, sequence)


def measure_shards(setup: Setup) -> None:
    """The published files read whole to the device, whatever they hold: what a first load cannot be faster than."""
    report = setup.report
    files = setup.layout.transformer_files
    size = sum(path.stat().st_size for path in files)
    piece = 256 << 20
    for threads in (setup.threads[0], *setup.threads):
        requests = [
            ReadRequest(path, offset, min(piece, path.stat().st_size - offset))
            for path in files
            for offset in range(0, path.stat().st_size, piece)
        ]
        with (
            report.timed("shards", f"read all bytes, {threads} threads", size),
            ReadAhead(report.device, threads) as reader,
        ):
            for _ in reader.read(requests):
                pass


def measure_text(setup: Setup) -> None:
    """The text encoder on the device, wide and in 8 bits."""
    from live_avatar.models import load_text

    for form in (None, "int8", "float8"):
        with setup.report.timed("text", f"load the encoder, {form or 'bf16'}"):
            encoder = load_text(setup.layout, torch.bfloat16, setup.report.device, form)
        for what in ("first", "second"):
            started = time.perf_counter()
            encoder.encode_ids(*(torch.ones(1, 60, dtype=torch.int64, device=setup.report.device) for _ in range(2)))
            setup.report.synchronize()
            setup.report.add(
                "text", f"{what} prompt of 60 tokens, {form or 'bf16'}", seconds=time.perf_counter() - started
            )
        del encoder


SECTIONS: dict[str, Callable[[Setup], None]] = {
    "copies": measure_copies,
    "shards": measure_shards,
    "load": measure_loads,
    "stream": measure_streamed_loads,
    "kv": measure_cache,
    "text": measure_text,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 if a section failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="14b")
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cache", type=Path, help="folder for prepared weights (default DIR.cache)")
    parser.add_argument("--conditions", choices=("wide", "float8", "int8"), default="int8")
    parser.add_argument("--threads", type=int, nargs="+", default=[8, 4, 16])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    report = Report(torch.device(options.device))
    name = torch.cuda.get_device_name(report.device) if report.device.type == "cuda" else "cpu"
    print(f"{name}, torch {torch.__version__}; weight values do not matter for these figures", flush=True)
    if not options.folder.exists():
        with report.timed("folder", f"write a random {options.preset} model"):
            write_random_model(options.folder, options.preset, Drawing(0))
    cache = CacheSettings(folder=options.cache or options.folder.with_name(f"{options.folder.name}.cache"))
    setup = Setup(options.folder, cache, Placement(conditions=options.conditions), options.threads, report)
    failed = []
    for section in options.only:
        try:
            SECTIONS[section](setup)
        except Exception:  # the other sections are worth having all the same
            failed.append(section)
            traceback.print_exc()
        if options.json is not None:
            record = {"device": name, "torch": torch.__version__, "failed": failed, "figures": report.figures}
            options.json.write_text(json.dumps(record, indent=1), "utf-8")
    if failed:
        print(f"FAILED: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
