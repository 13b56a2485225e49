"""Host memory of caches waits for the next of the same size, and nothing else does."""

from __future__ import annotations

import weakref

import torch

from live_avatar.fast.pinned_memory import HostPool
from live_avatar.fast.streamed_cache import StreamedCache

CPU = torch.device("cpu")


class User:
    """Somebody."""

    itself: User


def cache_of(pool: HostPool, rows: int) -> StreamedCache:
    return StreamedCache(2, 3, rows, 2, 4, torch.bfloat16, CPU, memory=pool)


def test_buffers_wait_for_the_next_of_their_size() -> None:
    pool, first = HostPool(CPU), User()
    buffers = pool.take((64, 128), first)
    assert [int(buffer.data.sum()) for buffer in buffers] == [0, 0]
    second = User()
    assert pool.take((64, 128), second)[0] is not buffers[0]
    del first
    third = User()
    assert pool.take((64, 128), third) is buffers


def test_buffers_of_another_size_are_given_back_before_new_ones_are_taken() -> None:
    pool, user, other = HostPool(CPU), User(), User()
    freed = weakref.ref(pool.take((64,), user)[0])
    del user
    pool.take((32,), other)
    assert freed() is None


def test_a_user_in_a_circle_of_references_is_found_gone() -> None:
    pool, first, second = HostPool(CPU), User(), User()
    buffers = pool.take((64,), first)
    first.itself = first
    del first
    assert pool.take((64,), second) is buffers


def test_a_cache_takes_over_the_memory_of_the_one_before() -> None:
    pool = HostPool(CPU)
    cache = cache_of(pool, 12)
    place = cache.key.data_ptr()
    del cache
    assert cache_of(pool, 12).key.data_ptr() == place
