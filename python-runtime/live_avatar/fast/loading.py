"""Loads the denoiser for the flat pass: straight to where its weights belong, in the precision they are used in."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.checkpoint.fingerprint import weights_fingerprint
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.lora import LoraFile
from live_avatar.checkpoint.source import TensorSource
from live_avatar.checkpoint.tensors import Progress, check_source, open_safetensors_set
from live_avatar.errors import UserError
from live_avatar.fast.flat_layer import content_sum
from live_avatar.fast.pinned_memory import HostBuffer
from live_avatar.fast.placement import Placement
from live_avatar.fast.preparation import Prepared, prepared_groups
from live_avatar.fast.products import WeightFormat
from live_avatar.fast.read_ahead import READING_THREADS, ReadAhead, ReadRequest
from live_avatar.fast.streamed_layers import HostLayer, StreamedLayers
from live_avatar.fast.weight_assembly import Assembly
from live_avatar.fast.weight_cache import CachedGroup, CacheEntry, CacheSettings
from live_avatar.fast.weight_cache_file import read_flat_layout
from live_avatar.fast.weight_cache_writer import CacheWriter
from live_avatar.fast.weight_groups import WeightGroup, weight_groups
from live_avatar.fast.weight_only import SmallForm
from live_avatar.fast.weights import LayerStore
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.network_part import NetworkPart

Warn = Callable[[str, str], None]
_PINNING_THREADS = 2


def load_fast_transformer(
    layout: CheckpointLayout,
    lora: LoraFile | None,
    form: WeightFormat,
    device: torch.device,
    placement: Placement | None = None,
    progress: Progress | None = None,
    part: NetworkPart | None = None,
    *,
    cache: CacheSettings | None = None,
    warn: Warn | None = None,
    threads: int = READING_THREADS,
) -> tuple[CausalAvatarTransformer, LayerStore]:
    """The network without what a pass needs per layer (left on the meta device), and a store that has it.

    Memory on the device never exceeds what stays there by more than one layer in the published precision, with its
    temporaries. Nothing is held twice in host memory.

    Args:
        form: of the layers' products. The rest is float32 for ``float32``, else bfloat16.
        placement: of the layers of the part.
        progress: told (bytes read, bytes in all); may raise to stop.
        part: what is loaded, and its layers are the store's; ``None`` for all.
        cache: where prepared weights are kept between runs; ``None`` or any form but ``float8``: nowhere.
        warn: told (code, text) of what went wrong without stopping the load.
        threads: that read files.

    Raises:
        UserError: any ``CHECKPOINT_…`` code.
    """
    placement = placement or Placement()
    source = open_safetensors_set(layout.transformer_files)
    config = DitConfig.read(layout.config, source.shapes())
    check_source(dit_shapes(config), source)
    part = part or NetworkPart.whole(config)
    groups = weight_groups(config, source, part)
    assembly = Assembly(config, placement, device, part.span)
    loader = _Loader(config, source, lora, form, groups, placement, device, threads, progress)
    entries = []
    if cache is not None and cache.enabled and form == "float8":
        key = _cache_key(layout, lora, form, placement, source, device)
        # What another process prepared whole serves every part; what a part prepares serves its like.
        entries = [CacheEntry(cache, key)]
        if part != NetworkPart.whole(config):
            entries.append(CacheEntry(cache, key | {"part": f"{part.span.first}-{part.span.last} {part.lead}"}))
    if not any(_read_entry(entry, assembly, loader, warn) for entry in entries):
        _prepare(entries[-1] if entries else None, assembly, loader, warn)
    module, store = assembly.finish()
    if warn is not None and isinstance(store, StreamedLayers) and device.type == "cuda" and not store.pinned:
        warn("WEIGHTS_NOT_PINNED", "The system refused to pin memory for streamed weights: copying them is slow.")
    return module, store


def _cache_key(
    layout: CheckpointLayout,
    lora: LoraFile | None,
    form: WeightFormat,
    placement: Placement,
    source: TensorSource,
    device: torch.device,
) -> dict[str, str | None]:
    files = (layout.config, *layout.transformer_files, *(() if lora is None else (lora.path,)))
    drawn = any(source.draw(name) is not None for name in source)
    return {
        "files": weights_fingerprint(files),
        "lora": None if lora is None else lora.path.name,
        "form": form,
        "conditions": placement.conditions,
        # What is drawn depends on the kind of device.
        "drawn": device.type if drawn else None,
    }


class _Loader:
    """What both ways of loading need to know."""

    def __init__(
        self,
        config: DitConfig,
        source: TensorSource,
        lora: LoraFile | None,
        form: WeightFormat,
        groups: list[WeightGroup],
        placement: Placement,
        device: torch.device,
        threads: int,
        progress: Progress | None,
    ) -> None:
        self.config = config
        self.groups = groups
        self.device = device
        self.threads = threads
        self._source = source
        self._lora = lora
        self._form: WeightFormat = form
        self._conditions: SmallForm | None = None if placement.conditions == "wide" else placement.conditions
        self._progress = progress

    def prepared(self) -> Generator[tuple[WeightGroup, Prepared]]:
        """Every group, made from the published files."""
        advance = self.counter(sum(self._source.bytes(name) for group in self.groups for name in group.names))
        return prepared_groups(
            self.config,
            self._source,
            self._lora,
            self.groups,
            self._form,
            self._conditions,
            self.device,
            self.threads,
            advance,
        )

    def counter(self, total: int) -> Callable[[int], None]:
        """What reports progress when it is told of more bytes."""
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if self._progress is not None:
                self._progress(done, total)

        return advance

    def estimated_bytes(self) -> int:
        """What the prepared weights will take, near enough: a byte a value in products, two elsewhere."""
        small = ("layer",) if self._conditions is None else ("layer", "text", "audio")
        return sum(
            self._source.bytes(name) // (2 if group.kind in small else 1)
            for group in self.groups
            for name in group.names
        )


def _prepare(entry: CacheEntry | None, assembly: Assembly, loader: _Loader, warn: Warn | None) -> None:
    """Make every group from the published files, and write them to the cache on the way if there is room."""
    with ExitStack() as stack:
        writer = None
        if entry is not None:
            mine = stack.enter_context(entry.writing())
            fault = (
                entry.make_room(loader.estimated_bytes()) if mine else "another process does, or it cannot be written"
            )
            if mine and fault is None:
                writer = stack.enter_context(CacheWriter(entry))
            else:
                _warn_unwritten(warn, entry, fault)
        for group, tensors in stack.enter_context(closing(loader.prepared())):
            host = assembly.take(group, tensors)
            if writer is not None and host is not None:
                writer.add_packed(group.name, host.layout, host.buffer.data)
            elif writer is not None:
                writer.add(group.name, tensors)
    if entry is not None and writer is not None and writer.fault is not None:
        _warn_unwritten(warn, entry, writer.fault)


def _warn_unwritten(warn: Warn | None, entry: CacheEntry, fault: str | None) -> None:
    if warn is not None:
        text = f"Prepared weights are not kept in {entry.folder.parent}: {fault}. The next start takes as long as this."
        warn("WEIGHT_CACHE_NOT_WRITTEN", text)


def _read_entry(entry: CacheEntry, assembly: Assembly, loader: _Loader, warn: Warn | None) -> bool:
    """Fill the assembly from the cache; false if there is no whole entry, which is then removed."""
    groups = entry.groups()
    if groups is None or not {group.name for group in loader.groups} <= {group.name for group in groups}:
        return False
    with entry.in_use():
        try:
            wrong = _read_groups(entry, {group.name: group for group in groups}, assembly, loader)
            reason = f"{wrong} is damaged" if wrong is not None else None
        except UserError as error:
            reason = error.why.rstrip(".")
    if reason is None:
        return True
    if warn is not None:
        warn("WEIGHT_CACHE_DAMAGED", f"Prepared weights in {entry.folder} are made anew: {reason}.")
    entry.discard()
    assembly.reset()
    return False


def _read_groups(entry: CacheEntry, known: dict[str, CachedGroup], assembly: Assembly, loader: _Loader) -> str | None:
    """Read all groups; returns the name of one whose content is not what was written."""
    layouts = {group.name: read_flat_layout(entry.file(group.name)) for group in loader.groups}
    hosted = [group for group in loader.groups if assembly.in_host_memory(group)]
    advance = loader.counter(sum(layout.bytes for layout, _ in layouts.values()))
    sums: dict[str, Tensor | Future[Tensor]] = {}
    with (
        ThreadPoolExecutor(_PINNING_THREADS, "pinning") as pinning,
        ThreadPoolExecutor(1, "check-sums") as summing,
        ReadAhead(loader.device, loader.threads) as reader,
    ):
        buffers = {
            group.name: pinning.submit(HostBuffer, layouts[group.name][0].bytes, loader.device) for group in hosted
        }
        requests = (
            ReadRequest(
                entry.file(name), offset, layout.bytes, buffers[name].result().data if name in buffers else None
            )
            for name, (layout, offset) in layouts.items()
        )
        with closing(reader.read(requests)) as arriving:
            for group, data in zip(loader.groups, arriving, strict=True):
                layout, _ = layouts[group.name]
                if group.name in buffers:
                    sums[group.name] = summing.submit(content_sum, data)
                    assembly.place_host(group, HostLayer(layout, buffers[group.name].result()))
                else:
                    sums[group.name] = content_sum(data)
                    assembly.place(group, layout.views(data))
                advance(layout.bytes)
    for name, value in sums.items():
        total = value.result() if isinstance(value, Future) else value
        if int(total.item()) != known[name].sum:
            return name
    return None
