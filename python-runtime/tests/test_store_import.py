"""Imports from a folder: copied, linked, moved, checked, continued; the source is never harmed."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from live_avatar.errors import Cancelled, UserError
from live_avatar.store import copying, digests, store_files
from live_avatar.store import import_model as importing
from live_avatar.store.import_model import ImportOptions, ImportResult, import_model
from live_avatar.store.part_file import PartFile
from live_avatar.store.record import ModelRecord
from live_avatar.store.remove_model import plan_removal, remove_model
from tests.store_material import DEMO, Heard, content_of, last_line, models


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model on a drive, in a folder with a name that is not easy."""
    folder = tmp_path / "名前 with space"
    shutil.copytree(DEMO, folder)
    (folder / "holiday.jpg").write_bytes(b"not a part of it")
    return folder


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    if os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.fail("/dev/shm is on the same disk as the temporary folder")
    folder = Path("/dev/shm") / f"avatar-studio-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def on_record(parent: Path) -> set[str]:
    record = ModelRecord.read(parent / "model")
    return set() if record is None else set(record.files)


def bring(source: Path, to: Path, heard: Heard | None = None, **more: object) -> ImportResult:
    options = ImportOptions(source, to, lora=source / "liveavatar.safetensors", **more)  # type: ignore[arg-type]
    return import_model(options, heard or Heard(), threading.Event())


def is_whole(folder: Path) -> bool:
    record = ModelRecord.read(folder)
    given = content_of(DEMO)
    return (
        record is not None and record.complete and all(given[path] == sha for path, sha in content_of(folder).items())
    )


def test_a_copy_on_one_disk_shares_its_bytes_and_leaves_the_source_as_it_was(source: Path, tmp_path: Path) -> None:
    before = content_of(source)
    result = bring(source, tmp_path / "model")
    assert is_whole(tmp_path / "model")
    assert "holiday.jpg" not in content_of(tmp_path / "model")
    assert content_of(source) == before
    assert len(result.brought) == result.files
    shard = "diffusion_pytorch_model-00001-of-00002.safetensors"
    one, two = (source / shard).stat(), (tmp_path / "model" / shard).stat()
    # A second name, or a clone on disks that have them.
    assert (one.st_ino == two.st_ino) == (two.st_nlink > 1)


def test_a_copy_from_another_disk_is_read_back(source: Path, other_disk: Path) -> None:
    before = content_of(source)
    heard = Heard()
    bring(source, other_disk / "model", heard)
    assert is_whole(other_disk / "model")
    assert content_of(source) == before
    assert {report.act for report in heard.reports} <= {"copy", "check"}


@pytest.mark.parametrize("where", ["same", "other"])
def test_a_move_leaves_nothing_of_the_model_behind(source: Path, tmp_path: Path, other_disk: Path, where: str) -> None:
    target = (tmp_path if where == "same" else other_disk) / "model"
    bring(source, target, how="move")
    assert is_whole(target)
    # What is not of the model is the user's own.
    assert {"README.md", "holiday.jpg"} <= set(content_of(source))
    assert "config.json" not in content_of(source)


def test_a_move_that_fails_in_the_middle_has_moved_nothing(source: Path, tmp_path: Path) -> None:
    (source / "Wan2.1_VAE.pth").write_bytes(b"")
    (source / "Wan2.1_VAE.pth").unlink()
    with pytest.raises(UserError) as caught:
        bring(source, tmp_path / "model", how="move")
    assert caught.value.code == "CHECKPOINT_INCOMPLETE"


def test_a_file_with_another_checksum_than_the_publisher_gives_is_refused(source: Path, tmp_path: Path) -> None:
    # As the hub's own downloader leaves it beside the files: commit, checksum, time.
    note = source / ".cache" / "huggingface" / "download" / "Wan2.1_VAE.pth.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{'0' * 40}\n{'a' * 64}\n1.0\n")
    before = content_of(source)
    for how in ("copy", "move"):
        with pytest.raises(UserError) as caught:
            bring(source, tmp_path / how, how=how)
        assert caught.value.code == "MODEL_FILE_DAMAGED"
        assert "Wan2.1_VAE.pth" in caught.value.what
        assert content_of(source) == before


def test_a_drive_that_is_pulled_out_is_named_and_the_import_goes_on(source: Path, other_disk: Path) -> None:
    away = source.with_name("pulled out")

    class Pulled(Heard):
        def progress(self, progress: object) -> None:
            if source.exists():
                source.rename(away)

    with pytest.raises(UserError) as caught:
        bring(source, other_disk / "model", Pulled())
    assert caught.value.code == "MODEL_SOURCE_GONE"
    assert not is_whole(other_disk / "model")
    away.rename(source)
    bring(source, other_disk / "model")
    assert is_whole(other_disk / "model")


def test_a_stopped_copy_goes_on_within_the_file(
    source: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    monkeypatch.setattr(copying, "CHUNK", 64 << 10)
    written = 0
    real = PartFile.write

    def counted(part: PartFile, start: int, content: bytes) -> None:
        nonlocal written
        written += len(content)
        if written > 5_000_000:
            stop.set()
        real(part, start, content)

    monkeypatch.setattr(PartFile, "write", counted)
    heard = Heard()
    options = ImportOptions(source, other_disk / "model", lora=source / "liveavatar.safetensors")
    with pytest.raises(Cancelled):
        import_model(options, heard, stop)
    assert not is_whole(other_disk / "model")
    bring(source, other_disk / "model")
    assert is_whole(other_disk / "model")
    # Not a byte was written twice.
    assert written == sum((DEMO / path).stat().st_size for path in on_record(other_disk))


def test_a_source_that_changes_meanwhile_is_not_taken(
    source: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = digests.digest_file

    def changed(path: Path, *rest: object, **more: object) -> object:
        with path.open("r+b") as file:
            file.write(b"!!!!")
        return real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(copying, "digest_file", changed)
    with pytest.raises(UserError) as caught:
        bring(source, other_disk / "model")
    assert caught.value.code == "MODEL_SOURCE_CHANGED"


def test_a_damaged_file_is_imported_again_alone(source: Path, other_disk: Path) -> None:
    bring(source, other_disk / "model")
    victim = other_disk / "model" / "Wan2.1_VAE.pth"
    content = bytearray(victim.read_bytes())
    content[5000] ^= 4
    victim.write_bytes(content)
    heard = Heard()
    assert bring(source, other_disk / "model", heard, check=True).brought == ("Wan2.1_VAE.pth",)
    assert [code for code, _ in heard.notes] == ["MODEL_FILE_DAMAGED"]
    assert is_whole(other_disk / "model")


def test_too_small_a_disk_is_refused_before_a_byte(
    source: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "check_room", _refuse_if_any)
    with pytest.raises(UserError, match="NO_ROOM"):
        bring(source, other_disk / "model")
    assert content_of(other_disk) == {}


def _refuse_if_any(folder: Path, needed: int) -> None:
    if needed > 10_000_000:
        raise UserError("NO_ROOM", "", "", "")


class TestRemoval:
    def test_frees_what_it_says_and_keeps_what_it_did_not_bring(self, source: Path, other_disk: Path) -> None:
        model = other_disk / "model"
        bring(source, model)
        (model / "mine.txt").write_text("mine")
        planned = plan_removal(model)
        free = shutil.disk_usage(other_disk).free
        done = remove_model(model)
        assert done == planned
        assert done.kept_files == ("mine.txt",)
        assert list(content_of(model)) == ["mine.txt"]
        assert abs(shutil.disk_usage(other_disk).free - free - done.freed_bytes) < 1_000_000

    def test_of_second_names_frees_nothing_and_leaves_the_source(self, source: Path, tmp_path: Path) -> None:
        before = content_of(source)
        bring(source, tmp_path / "model")
        if (tmp_path / "model" / "config.json").stat().st_nlink > 1:
            assert plan_removal(tmp_path / "model").freed_bytes < 100_000
        remove_model(tmp_path / "model")
        assert not (tmp_path / "model").exists()
        assert content_of(source) == before

    def test_of_a_move_that_was_cut_off_puts_everything_back(
        self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = content_of(source)
        taken: list[object] = []
        real = store_files.move_into_place

        def cut_off(one: Path, two: Path) -> None:
            if len(taken) == 5:
                raise KeyboardInterrupt
            taken.append(one)
            real(one, two)

        monkeypatch.setattr(importing, "move_into_place", cut_off)
        with pytest.raises(KeyboardInterrupt):
            bring(source, tmp_path / "model", how="move")
        assert content_of(source) != before
        remove_model(tmp_path / "model")
        assert content_of(source) == before
        assert not (tmp_path / "model").exists()

    def test_a_download_into_a_cut_off_import_does_not_write_into_the_source(
        self, source: Path, tmp_path: Path
    ) -> None:
        before = content_of(source)
        size = (source / "Wan2.1_VAE.pth").stat().st_size
        part = PartFile(tmp_path / "model", "Wan2.1_VAE.pth", size, "import")
        assert copying.link_or_clone(source / "Wan2.1_VAE.pth", part)
        again = PartFile(tmp_path / "model", "Wan2.1_VAE.pth", size, "download")
        again.write(10, b"other bytes")
        again.start_anew(size, "another download")
        assert content_of(source) == before

    def test_of_a_folder_that_the_store_did_not_make_is_refused(self, source: Path) -> None:
        with pytest.raises(UserError) as caught:
            remove_model(source)
        assert caught.value.code == "MODEL_NOT_OF_STORE"
        assert "config.json" in content_of(source)


class TestCommand:
    def test_imports_and_removes(self, source: Path, tmp_path: Path) -> None:
        done = models("import", str(source), "--to", str(tmp_path / "model"))
        assert (done.returncode, last_line(done.stdout)["kind"]) == (0, "done")
        assert is_whole(tmp_path / "model")
        planned = models("remove", str(tmp_path / "model"), "--dry-run")
        assert last_line(planned.stdout)["kind"] == "removed"
        assert is_whole(tmp_path / "model")
        assert models("remove", str(tmp_path / "model")).returncode == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == [source.name]

    def test_looks_before_it_copies(self, source: Path, tmp_path: Path) -> None:
        with (source / "Wan2.1_VAE.pth").open("r+b") as file:
            file.truncate(1000)
        done = models("import", str(source), "--to", str(tmp_path / "model"))
        assert (done.returncode, last_line(done.stdout)["code"]) == (2, "CHECKPOINT_FILE_DAMAGED")
        assert not (tmp_path / "model").exists()

    def test_does_not_import_a_folder_into_itself(self, source: Path) -> None:
        done = models("import", str(source), "--to", str(source / "copy"))
        assert last_line(done.stdout)["code"] == "MODEL_TARGET_IN_SOURCE"
