from __future__ import annotations

import sys
import weakref
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from live_avatar.errors import UserError
from live_avatar.saved_session import SavedSession, SlicedTensor
from live_avatar.state_file import StateImage, write_state
from live_avatar.state_store import StateStore

HASHES = [f"{index:064x}" for index in range(9)]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def session(seed: int = 0, prompt: str = "smile") -> SavedSession:
    torch.manual_seed(seed)
    pixels = torch.randn(1, 4, 2, 6, 5)
    tensors = {
        "cache.key": torch.randn(2, 3, 5).bfloat16(),
        "decoder.a": pixels.contiguous(memory_format=torch.channels_last_3d),
        "decoder.b": pixels[:, :1].contiguous(memory_format=torch.channels_last_3d),
        "decoder.part": pixels[:, :, :1],
        "reference": pixels[0],
    }
    return SavedSession(tensors, block=8, prefilled_prompt=prompt, anchored=True)


def test_round_trip_keeps_every_bit_and_the_memory_order(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    prompt = 'says "checksum": "00000000" 你好'
    saved = session(prompt=prompt)
    cost = store.save(saved, 2, HASHES[1])
    assert cost.bytes == cost.path.stat().st_size
    state = store.find(HASHES, at_most=5)
    assert state is not None
    assert state.clips == 2
    loaded = store.load(state)
    assert (loaded.block, loaded.prefilled_prompt, loaded.anchored) == (8, prompt, True)
    assert loaded.tensors.keys() == saved.tensors.keys()
    for name, tensor in saved.tensors.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert torch.equal(loaded.tensors[name], tensor)
    for name in ("decoder.a", "decoder.b", "cache.key"):
        assert loaded.tensors[name].stride() == saved.tensors[name].stride()


def test_what_comes_in_slices_makes_the_same_file(tmp_path: Path) -> None:
    saved = session()
    whole = saved.tensors["cache.key"]
    alive: list[weakref.ref[Tensor]] = []
    most: list[int] = []

    def slices(step: int) -> Generator[Tensor]:
        for place in range(0, len(whole), step):
            part = whole[place : place + step].clone()
            alive.append(weakref.ref(part))
            yield part
            del part
            most.append(sum(reference() is not None for reference in alive))

    sliced = {"cache.key": SlicedTensor(tuple(whole.shape), whole.dtype, lambda: slices(1))}
    rest = {name: tensor for name, tensor in saved.tensors.items() if name not in sliced}
    in_slices = replace(saved, tensors=rest, slices=sliced)
    (tmp_path / "other").mkdir()
    expected = StateStore(tmp_path).save(saved, 1, HASHES[0])
    found = StateStore(tmp_path / "other").save(in_slices, 1, HASHES[0])
    assert found.path.read_bytes() == expected.path.read_bytes()
    # Each is let go before the next is asked for, but for the one in hand.
    assert max(most) <= 1
    # Slices that are not all of it leave no file, and what was there before.
    short = replace(in_slices, slices={"cache.key": replace(sliced["cache.key"], shape=(3, 3, 5))})
    with pytest.raises(ValueError, match="30 values"):
        StateStore(tmp_path / "other").save(short, 2, HASHES[1])
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["state_00001.safetensors"]


def test_it_is_a_safetensors_file(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    saved = session()
    stored = load_file(StateStore(tmp_path).save(saved, 1, HASHES[0]).path)
    assert torch.equal(stored["cache.key"], saved.tensors["cache.key"])


@pytest.mark.parametrize("offset", [20, -1, -200])
def test_a_flipped_bit_is_noticed(tmp_path: Path, offset: int) -> None:
    store = StateStore(tmp_path)
    path = store.save(session(), 1, HASHES[0]).path
    state = store.find(HASHES, at_most=1)
    assert state is not None
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        store.load(state)
    assert caught.value.code == "STATE_DAMAGED"


def test_a_truncated_state_is_not_found(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    path = store.save(session(), 1, HASHES[0]).path
    path.write_bytes(path.read_bytes()[:-7])
    assert store.find(HASHES, at_most=1) is None


def test_two_states_are_kept_and_the_newest_fitting_one_is_found(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    for clips in (1, 2, 3):
        store.save(session(clips), clips, HASHES[clips - 1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state_00002.safetensors", "state_00003.safetensors"]

    def found(hashes: list[str], at_most: int) -> int | None:
        state = store.find(hashes, at_most)
        return None if state is None else state.clips

    assert found(HASHES, 9) == 3
    assert found(HASHES, 2) == 2
    assert found(HASHES, 1) is None
    assert found([*HASHES[:2], "changed"], 3) == 2
    assert found([HASHES[0], "changed", "changed"], 3) is None


def test_saving_takes_at_most_a_twentieth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    store = StateStore(tmp_path, clock=clock)

    def slow(path: Path, image: StateImage) -> None:
        clock.now += 2.0
        write_state(path, image)

    monkeypatch.setattr("live_avatar.state_store.write_state", slow)
    assert store.due()
    store.save(session(), 1, HASHES[0])
    clock.now += 39.0
    assert not store.due()
    clock.now += 2.0
    assert store.due()
    assert store.total_seconds == 2.0


def test_a_large_state_waits_until_it_has_paid_for_itself(tmp_path: Path) -> None:
    """25 GB after the first clip would stop the video for half a minute."""
    clock = Clock()
    store = StateStore(tmp_path, clock=clock)
    assert not store.due(25 * 10**9)
    clock.now += 499.0
    assert not store.due(25 * 10**9)
    clock.now += 2.0
    assert store.due(25 * 10**9)


def test_caches_in_small_types_come_back(tmp_path: Path) -> None:
    codes = torch.randn(3, 5).to(torch.float8_e4m3fn)
    saved = SavedSession(
        {"cache.key": codes, "cache.scaled": torch.ones(1, dtype=torch.int32)}, 4, "a", True, flight_steps=(2, 1)
    )
    store = StateStore(tmp_path)
    store.save(saved, 1, HASHES[0])
    state = store.find(HASHES, at_most=1)
    assert state is not None
    loaded = store.load(state)
    assert loaded.tensors["cache.key"].dtype == torch.float8_e4m3fn
    assert torch.equal(loaded.tensors["cache.key"].view(torch.uint8), codes.view(torch.uint8))
    assert torch.equal(loaded.tensors["cache.scaled"], saved.tensors["cache.scaled"])
    assert loaded.flight_steps == (2, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")
def test_a_full_disk_is_reported_keeps_the_older_state_and_is_not_retried_at_once(tmp_path: Path) -> None:
    import resource

    clock = Clock()
    store = StateStore(tmp_path, clock=clock)
    store.save(session(), 1, HASHES[0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UserError) as caught:
            store.save(session(), 2, HASHES[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.code == "DISK_FULL"
    assert [path.name for path in tmp_path.iterdir()] == ["state_00001.safetensors"]
    assert store.saves == 1


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_saving_needs_no_second_copy_in_memory(tmp_path: Path) -> None:
    import resource

    size = 200 << 20
    big = torch.ones(size // 4)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    StateStore(tmp_path).save(SavedSession({"cache.key": big}, 1, "a", False), 1, HASHES[0])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert grown < size // 4
