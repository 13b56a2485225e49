"""A pass of the fast decoder captured as one CUDA graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.vae.fast_memory import decoder_bytes
from live_avatar.vae.fast_program import Caches, FastProgram, Pictures

# The first call lets cuDNN measure and Triton compile; the second shows that both are done.
_WARM_UP_PASSES = 2


@dataclass(slots=True)
class CapturedPass:
    """A graph and the memory it reads and writes.

    Attributes:
        latents: its input, float32 [1,z,L,h,w].
        pictures: its output; the next replay overwrites it.
        pool_bytes: memory that stays taken for what lies between.
    """

    graph: torch.cuda.CUDAGraph
    latents: Tensor
    pictures: Pictures
    pool_bytes: int

    def replay(self, latents: Tensor) -> Pictures:
        """Decode on the current stream. Nothing waits for the card, if ``latents`` are there already."""
        self.latents.copy_(latents, non_blocking=True)
        self.graph.replay()
        return self.pictures


def capture_pass(program: FastProgram, latents: Tensor, caches: Caches, pictures: Pictures) -> CapturedPass:
    """Warm up and capture ``program.run`` of ``latents``; what the caches hold is lost.

    Raises:
        RuntimeError: the card or the driver does not capture it; the caches may be used on.
    """
    device = program.device
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    settings = program.settings
    with torch.cuda.device(device), convolutions_chosen(measured=settings.measured_convolutions):
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_PASSES):
                program.run(latents, caches, pictures)
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        before = torch.cuda.memory_reserved(device)
        graph = torch.cuda.CUDAGraph()
        # Other threads (an encoder waiting for frames) may talk to the card meanwhile.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            # One piece of memory that all buffers are cut from: taken one by one, from small to large, few would fit
            # into what others left.
            _reserve(program, latents)
            program.run(latents, caches, pictures)
        pool = torch.cuda.memory_reserved(device) - before
    for cache in caches.values():
        cache.zero_()
    torch.cuda.current_stream(device).wait_stream(stream)
    return CapturedPass(graph, latents, pictures, pool)


def _reserve(program: FastProgram, latents: Tensor) -> None:
    stride = program.config.spatial_stride
    height, width = latents.shape[-2:]
    item = program.vae.conv2.weight.element_size()
    size = decoder_bytes(program.config, width * stride, height * stride, program.settings, item).activations
    torch.empty(size, dtype=torch.uint8, device=latents.device)


@contextmanager
def convolutions_chosen(*, measured: bool) -> Iterator[None]:
    """cuDNN's choice of kernels within this context; repeatable ones in any case. Put back at the end."""
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = measured, True
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before
