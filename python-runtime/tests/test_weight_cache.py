"""The folder of prepared weights: what is removed and what stays, flat buffers, check sums, reading ahead."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from live_avatar.errors import UserError
from live_avatar.fast import read_ahead
from live_avatar.fast.flat_layer import ALIGNMENT, FlatLayout, content_sum
from live_avatar.fast.read_ahead import ReadAhead, ReadRequest
from live_avatar.fast.weight_cache import CACHE_VERSION, CachedGroup, CacheEntry, CacheSettings
from live_avatar.fast.weight_cache_file import read_flat_layout, write_flat_file

CPU = torch.device("cpu")


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    wide = torch.randn(37, 19, generator=generator)
    return {
        "codes": wide.to(torch.float8_e4m3fn),
        "scale": wide[:1].clone(),
        "bias": wide[0, :7].to(torch.bfloat16),
        "int8": (wide * 20).to(torch.int8),
        "empty": torch.empty(0, 3),
    }


def packed(layout: FlatLayout, values: dict[str, Tensor]) -> Tensor:
    buffer = torch.full((layout.bytes,), 255, dtype=torch.uint8)
    layout.pack(values, buffer)
    return buffer


class TestFlatFile:
    def test_a_buffer_holds_aligned_tensors(self) -> None:
        layout = FlatLayout.of(tensors())
        views = layout.views(packed(layout, tensors()))
        assert layout.bytes % ALIGNMENT == 0
        for name, tensor in tensors().items():
            assert views[name].storage_offset() * tensor.element_size() % ALIGNMENT == 0
            assert torch.equal(views[name].float(), tensor.float())

    def test_the_gaps_do_not_keep_what_was_in_memory(self) -> None:
        layout = FlatLayout.of(tensors())
        dirty, clean = packed(layout, tensors()), torch.zeros(layout.bytes, dtype=torch.uint8)
        layout.pack(tensors(), clean)
        assert torch.equal(dirty, clean)

    def test_a_file_is_a_buffer_that_others_can_read_as_well(self, tmp_path: Path) -> None:
        layout, path = FlatLayout.of(tensors()), tmp_path / "group.safetensors"
        buffer = packed(layout, tensors())
        write_flat_file(path, layout, buffer)
        found, offset = read_flat_layout(path)
        assert {entry.name: entry for entry in found.entries} == {entry.name: entry for entry in layout.entries}
        assert found.bytes == layout.bytes
        assert path.read_bytes()[offset:] == buffer.numpy().tobytes()
        theirs = load_file(path)
        assert all(torch.equal(theirs[name].float(), tensor.float()) for name, tensor in tensors().items())

    def test_a_file_of_someone_else_is_refused(self, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        path = tmp_path / "group.safetensors"
        save_file({"a": torch.zeros(3), "b": torch.zeros(5)}, path)
        with pytest.raises(UserError) as caught:
            read_flat_layout(path)
        assert caught.value.code == "CHECKPOINT_FILE_DAMAGED"


class TestContentSum:
    def test_every_bit_and_place_counts(self) -> None:
        data = torch.randint(0, 256, (4096 * 4,), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
        whole = int(content_sum(data))
        for position in (0, 1, 255, 256, 5000, len(data) - 1):
            for bit in (1, 128):
                data[position] ^= bit
                assert int(content_sum(data)) != whole
                data[position] ^= bit
        for first, second, size in ((0, 256, 256), (0, 8192, 4096), (0, 8, 8), (3, 11, 1)):
            swapped = data.clone()
            swapped[first : first + size] = data[second : second + size]
            swapped[second : second + size] = data[first : first + size]
            assert int(content_sum(swapped)) != whole
        assert int(content_sum(data)) == whole

    def test_nothing_at_all_is_fine(self) -> None:
        assert int(content_sum(torch.empty(0, dtype=torch.uint8))) == 0


class TestReadAhead:
    @pytest.fixture(autouse=True)
    def _small_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(read_ahead, "_PIECE_BYTES", 1000)

    def test_requests_come_in_order_and_whole(self, tmp_path: Path) -> None:
        paths = [tmp_path / "a", tmp_path / "b"]
        contents = [os.urandom(12_345), os.urandom(999)]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        target = torch.zeros(4321, dtype=torch.uint8)
        wanted = [(0, 0, 12_345), (1, 100, 0), (1, 0, 999), (0, 7, 4321), (0, 12_344, 1)]
        requests = [
            ReadRequest(paths[file], offset, size, target if size == 4321 else None) for file, offset, size in wanted
        ]
        with ReadAhead(CPU, threads=3) as reader:
            found = list(reader.read(iter(requests)))
        for data, (file, offset, size) in zip(found, wanted, strict=True):
            assert data.numpy().tobytes() == contents[file][offset : offset + size]
        assert found[3].data_ptr() == target.data_ptr()

    def test_a_file_that_ends_early_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "short"
        path.write_bytes(bytes(2500))
        with ReadAhead(CPU, threads=2) as reader, pytest.raises(UserError) as caught:
            list(reader.read([ReadRequest(path, 0, 2501)]))
        assert caught.value.code == "CHECKPOINT_FILE_DAMAGED"

    def test_a_file_that_is_gone_is_told(self, tmp_path: Path) -> None:
        with ReadAhead(CPU, threads=2) as reader, pytest.raises(UserError):
            list(reader.read([ReadRequest(tmp_path / "none", 0, 10)]))


def make_entry(settings: CacheSettings, name: str, size: int, used: float) -> CacheEntry:
    """A complete entry of ``size`` bytes that was last used at the time ``used``."""
    entry = CacheEntry(settings, {"files": name})
    with entry.writing() as mine:
        assert mine
        entry.file("network").write_bytes(bytes(size))
        entry.complete([CachedGroup("network", size, 0)])
    os.utime(entry.folder / "manifest.json", (used, used))
    return entry


class TestEntries:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> CacheSettings:
        return CacheSettings(folder=tmp_path / "weights", limit_bytes=10_000)

    def test_an_entry_is_found_by_its_key_alone(self, settings: CacheSettings) -> None:
        make_entry(settings, "a", 100, 1)
        assert CacheEntry(settings, {"files": "a"}).groups() == [CachedGroup("network", 100, 0)]
        assert CacheEntry(settings, {"files": "b"}).groups() is None

    def test_a_newer_version_does_not_find_it(self, settings: CacheSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        make_entry(settings, "a", 100, 1)
        monkeypatch.setattr("live_avatar.fast.weight_cache.CACHE_VERSION", CACHE_VERSION + 1)
        assert CacheEntry(settings, {"files": "a"}).groups() is None

    def test_without_the_manifest_it_is_not_there(self, settings: CacheSettings) -> None:
        entry = make_entry(settings, "a", 100, 1)
        (entry.folder / "manifest.json").unlink()
        assert entry.groups() is None

    def test_those_used_longest_ago_go_first(self, settings: CacheSettings) -> None:
        entries = [make_entry(settings, name, 3000, used) for name, used in (("a", 3), ("b", 1), ("c", 2))]
        assert CacheEntry(settings, {"files": "new"}).make_room(3500) is None
        assert [entry.folder.exists() for entry in entries] == [True, False, True]

    def test_using_one_makes_it_the_youngest(self, settings: CacheSettings) -> None:
        entries = [make_entry(settings, name, 3000, used) for name, used in (("a", 3), ("b", 1), ("c", 2))]
        with entries[1].in_use():
            pass
        CacheEntry(settings, {"files": "new"}).make_room(3500)
        assert [entry.folder.exists() for entry in entries] == [True, True, False]

    def test_one_in_use_is_never_removed(self, settings: CacheSettings) -> None:
        first, second = (make_entry(settings, name, 3000, used) for name, used in (("a", 1), ("b", 2)))
        with first.in_use(), first.in_use():
            CacheEntry(settings, {"files": "new"}).make_room(9000)
            assert first.groups() is not None
        assert not second.folder.exists()
        CacheEntry(settings, {"files": "new"}).make_room(9000)
        assert not first.folder.exists()

    def test_one_being_written_is_never_removed(self, settings: CacheSettings) -> None:
        entry = CacheEntry(settings, {"files": "a"})
        with entry.writing():
            entry.file("network").write_bytes(bytes(3000))
            CacheEntry(settings, {"files": "new"}).make_room(9000)
            assert entry.file("network").exists()

    def test_what_a_crash_left_is_removed(self, settings: CacheSettings) -> None:
        entry = CacheEntry(settings, {"files": "a"})
        entry.folder.mkdir(parents=True)
        entry.file("network").write_bytes(bytes(3000))
        (entry.folder / "use-1-1.lock").touch()
        CacheEntry(settings, {"files": "new"}).make_room(9000)
        assert not entry.folder.exists()

    def test_a_full_disk_takes_others_and_then_says_no(
        self, settings: CacheSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = make_entry(settings, "a", 3000, 1)
        usage = shutil.disk_usage(Path(__file__).parent)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000_001_000))
        reason = CacheEntry(settings, {"files": "new"}).make_room(2000)
        assert reason == "2.0 GB are needed and 2.0 GB are free"
        assert not entry.folder.exists()

    def test_other_folders_are_left_alone(self, settings: CacheSettings) -> None:
        foreign = settings.root / "photos"
        foreign.mkdir(parents=True)
        (foreign / "mine.safetensors").write_bytes(bytes(30_000))
        CacheEntry(settings, {"files": "new"}).make_room(9000)
        assert (foreign / "mine.safetensors").exists()

    @pytest.mark.parametrize(
        ("text", "enabled", "folder"), [("on", True, None), ("OFF", False, None), ("/x", True, "/x")]
    )
    def test_how_a_flag_is_read(self, text: str, enabled: bool, folder: str | None) -> None:
        settings = CacheSettings.parse(text)
        assert settings.enabled is enabled
        assert settings.folder == (None if folder is None else Path(folder))

    def test_the_default_place_is_the_cache_of_the_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path))
        assert CacheSettings().root == tmp_path / "weights"
