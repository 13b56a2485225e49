"""Downloads against a hub of our own: resume, faults, checksums, speed, space, offline."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from live_avatar.errors import Cancelled, UserError
from live_avatar.store.download import DownloadOptions, DownloadResult, download_model
from live_avatar.store.fetch import RemoteFile
from live_avatar.store.pace import Patience
from live_avatar.store.record import ModelRecord
from live_avatar.store.remove_model import remove_model
from live_avatar.store.speed_limit import SpeedLimit
from live_avatar.store.store_files import store_folder
from tests.hub_server import BASE, LORA, Drawn, Fault, Hub, repositories_of, some_faults
from tests.store_material import DEMO, Heard, content_of

QUICK = Patience(silence_seconds=0.5, tries=10, first_wait_seconds=0.02)
MEGA = 1 << 20


@pytest.fixture(autouse=True)
def network_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole suite runs with the network off; here it is this machine's own server that is asked."""
    for name in ("HF_HUB_OFFLINE", "LIVE_AVATAR_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def drawn_hub(faults: list[Fault] | None = None, large: int = 24 * MEGA) -> Hub:
    """A model whose weights are drawn bytes."""
    names = ["models_t5_umt5-xxl-enc-bf16.pth", "Wan2.1_VAE.pth", "diffusion_pytorch_model-00002-of-00002.safetensors"]
    files: dict[str, Drawn | Path] = {name: Drawn(2 * MEGA + 17, seed) for seed, name in enumerate(names)}
    files["diffusion_pytorch_model-00001-of-00002.safetensors"] = Drawn(large, 9)
    files["config.json"] = DEMO / "config.json"
    files["flax_model.msgpack"] = Drawn(MEGA, 10)
    return Hub({BASE: files, LORA: {"liveavatar.safetensors": Drawn(3 * MEGA, 11)}}, faults)


def fetch_from(hub: Hub, folder: Path, heard: Heard | None = None, **more: Any) -> DownloadResult:
    values: dict[str, Any] = {"patience": QUICK, "stretch_bytes": MEGA, "endpoint": hub.url} | more
    options = DownloadOptions(to=folder, **values)
    return download_model(options, heard or Heard(), threading.Event())


def wanted_content(hub: Hub) -> dict[str, str]:
    return {
        path: served.sha256
        for files in hub.repositories.values()
        for path, served in files.items()
        if path not in ("flax_model.msgpack", "README.md")
    }


def wanted_bytes(hub: Hub) -> int:
    return sum(hub.file(path).size for path in wanted_content(hub))


def test_a_model_arrives_whole_with_nothing_that_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if another part of the program had imported the library before.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    with Hub(repositories_of(DEMO)) as hub:
        heard = Heard()
        result = fetch_from(hub, tmp_path / "model", heard)
        got, given = content_of(tmp_path / "model"), content_of(DEMO)
        assert got == {path: given[path] for path in got}
        assert {"config.json", "liveavatar.safetensors", "google/umt5-xxl/tokenizer.json"} <= got.keys()
        assert "README.md" not in got
        record = ModelRecord.read(tmp_path / "model")
        assert record is not None
        assert record.complete
        assert {path: entry.sha256 for path, entry in record.files.items()} == got
        assert hub.sent == result.fetched_bytes == result.bytes
        # Nothing is sent to sign in, and nothing that names this machine.
        assert {header["user-agent"].split("/")[0] for header in hub.headers} == {"avatar-studio"}
        assert not any("torch" in str(header) or "authorization" in header for header in hub.headers)
        assert {path.split("?")[0].split("/")[1] for path in hub.asked} <= {"api", "storage", "Wan-AI", "Quark-Vision"}


def test_a_second_run_fetches_nothing(tmp_path: Path) -> None:
    with drawn_hub() as hub:
        fetch_from(hub, tmp_path)
        sent = hub.sent
        assert fetch_from(hub, tmp_path).fetched_bytes == 0
        assert hub.sent == sent


def test_fifty_faults_cost_no_byte_twice(tmp_path: Path) -> None:
    with drawn_hub(some_faults(50, seed=3)) as hub:
        hub.every = 2
        result = fetch_from(hub, tmp_path, stretch_bytes=MEGA // 2)
        assert sum(hub.done.values()) == 50
        assert content_of(tmp_path) == wanted_content(hub)
        # What was read from the network is what was needed, not a byte more.
        assert result.fetched_bytes == wanted_bytes(hub)


def test_a_changed_tag_starts_that_file_anew_and_says_so(tmp_path: Path) -> None:
    with drawn_hub(["reset", "changed", "reset"]) as hub:
        large = "diffusion_pytorch_model-00001-of-00002.safetensors"
        hub.fits = lambda fault, served: fault != "changed" or (served is hub.file(large) and len(served.requests) > 5)
        heard = Heard()
        fetch_from(hub, tmp_path, heard, parts=3)
        assert [code for code, _ in heard.notes] == ["MODEL_FILE_CHANGED_ON_HUB"]
        assert content_of(tmp_path) == wanted_content(hub)
        assert sum(served.version for served in hub.repositories[BASE].values()) == 1


def test_a_stopped_download_goes_on_where_it_was(tmp_path: Path) -> None:
    with drawn_hub() as hub:
        stop = threading.Event()
        heard = Heard()
        options = DownloadOptions(
            to=tmp_path, patience=QUICK, stretch_bytes=MEGA, endpoint=hub.url, bytes_per_second=2e7
        )
        # Some of it, then enough.
        heard.progress = lambda progress: stop.set() if progress.done_bytes > 6 * MEGA else None  # type: ignore[method-assign]
        with pytest.raises(Cancelled):
            download_model(options, heard, stop)
        record = ModelRecord.read(tmp_path)
        assert record is not None
        assert not record.complete
        before = hub.sent
        result = fetch_from(hub, tmp_path)
        assert 0 < result.fetched_bytes <= wanted_bytes(hub) - 6 * MEGA
        assert content_of(tmp_path) == wanted_content(hub)
        assert before > 0


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_found_and_fetched_alone(tmp_path: Path, damage: str) -> None:
    with drawn_hub() as hub:
        fetch_from(hub, tmp_path)
        victim = tmp_path / "Wan2.1_VAE.pth"
        content = bytearray(victim.read_bytes())
        content[1000] ^= 1
        victim.unlink() if damage == "gone" else victim.write_bytes(content if damage == "flip" else content[:-5])
        heard = Heard()
        result = fetch_from(hub, tmp_path, heard, check=True)
        assert result.fetched_files == ("Wan2.1_VAE.pth",)
        assert [text.split()[0] for code, text in heard.notes if code == "MODEL_FILE_DAMAGED"] == (
            [] if damage == "gone" else ["Wan2.1_VAE.pth"]
        )
        assert content_of(tmp_path) == wanted_content(hub)


def test_a_folder_of_the_user_is_mended_and_its_files_stay_the_user_s(tmp_path: Path) -> None:
    with drawn_hub() as hub:
        fetch_from(hub, tmp_path)
        shutil.rmtree(store_folder(tmp_path))
        (tmp_path / "Wan2.1_VAE.pth").unlink()
        (tmp_path / "config.json").write_bytes(b"{}")
        result = fetch_from(hub, tmp_path, check=True)
        assert result.fetched_files == ("Wan2.1_VAE.pth", "config.json")
        # Again, as after a restart: whose the files are is not forgotten.
        fetch_from(hub, tmp_path, check=True)
        assert remove_model(tmp_path).kept_files == tuple(sorted(wanted_content(hub).keys() - {"Wan2.1_VAE.pth"}))
        left = wanted_content(hub)
        del left["Wan2.1_VAE.pth"]
        assert content_of(tmp_path) == left


def test_bytes_that_are_wrong_on_the_way_are_found_and_the_transfer_ends_in_words(tmp_path: Path) -> None:
    with drawn_hub() as hub:
        # The list promises other content than the storage gives.
        hub.file("Wan2.1_VAE.pth").sha256 = hashlib.sha256(b"other").hexdigest()
        with pytest.raises(UserError) as caught:
            fetch_from(hub, tmp_path)
        assert caught.value.code == "MODEL_FILE_DAMAGED"
        assert "Wan2.1_VAE.pth" in caught.value.what
        assert not (tmp_path / "Wan2.1_VAE.pth").exists()


def test_a_server_without_ranges_is_put_up_with(tmp_path: Path) -> None:
    with drawn_hub(large=3 * MEGA) as hub:
        hub.accepts_ranges = False
        fetch_from(hub, tmp_path, parts=1)
        assert content_of(tmp_path) == wanted_content(hub)


def test_a_server_that_is_gone_or_asks_for_hours_ends_in_words(tmp_path: Path) -> None:
    with drawn_hub() as hub:
        address = hub.url
    patience = Patience(silence_seconds=0.5, tries=3, first_wait_seconds=0.01)
    with pytest.raises(UserError) as caught:
        fetch_from(hub, tmp_path, endpoint=address, patience=patience)
    assert caught.value.code == "MODEL_SERVER_UNREACHABLE"
    assert "no connection can be made" in caught.value.why


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"repository": "nobody/nothing"}, "MODEL_NOT_ON_HUB"),
        ({"repository": LORA, "lora_repository": None}, "MODEL_LIST_UNUSABLE"),
        ({"repository": "../../etc"}, "MODEL_REPOSITORY_INVALID"),
        ({"endpoint": "ftp://host"}, "MODEL_ADDRESS_INVALID"),
        ({"proxy": "nonsense"}, "MODEL_ADDRESS_INVALID"),
    ],
)
def test_what_cannot_be_fetched_is_refused_in_words(tmp_path: Path, more: dict[str, Any], code: str) -> None:
    with drawn_hub() as hub, pytest.raises(UserError) as caught:
        fetch_from(hub, tmp_path, **more)
    assert caught.value.code == code


def test_paths_of_a_hostile_list_are_not_followed(tmp_path: Path) -> None:
    hostile = [
        "../escaped.json",
        "google/umt5-xxl/../../../escaped.json",
        "/etc/escaped.json",
        "google/umt5-xxl/..json",
    ]
    with drawn_hub() as hub:
        for path in hostile:
            hub.repositories[BASE][path] = hub.file("config.json")
        fetch_from(hub, tmp_path / "model")
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        assert not any("escaped" in path for path in content_of(tmp_path))


def test_too_small_a_disk_is_refused_before_a_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, 10 * MEGA))
    with drawn_hub() as hub:
        with pytest.raises(UserError) as caught:
            fetch_from(hub, tmp_path)
        assert caught.value.code == "MODEL_DISK_TOO_SMALL"
        assert hub.sent == 0


def test_every_byte_that_comes_counts_for_the_speed_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spent: list[int] = []

    def spend(limit: SpeedLimit, count: int) -> float:
        spent.append(count)
        return 0.0

    monkeypatch.setattr(SpeedLimit, "spend", spend)
    with drawn_hub(large=3 * MEGA) as hub:
        fetch_from(hub, tmp_path, bytes_per_second=6 * MEGA)
        assert sum(spent) == hub.sent == wanted_bytes(hub)


def test_nothing_is_asked_when_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with drawn_hub() as hub:
        with pytest.raises(UserError) as caught:
            fetch_from(hub, tmp_path)
        assert caught.value.code == "NETWORK_OFF"
        assert hub.asked == []


def test_names_in_addresses_are_quoted() -> None:
    assert RemoteFile("http://h", "a/b", "c", "d e#f/g").url == "http://h/a/b/resolve/c/d%20e%23f/g"
