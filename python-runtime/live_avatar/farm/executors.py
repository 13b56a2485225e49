"""From what the flags ask for to an executor that does the jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from live_avatar.cli.farm_flags import FarmWishes
from live_avatar.farm.dispatch import Dispatch
from live_avatar.farm.driver import Driver, Listener
from live_avatar.farm.local import LocalExecutor
from live_avatar.farm.places import Place, share_cards, share_cores
from live_avatar.farm.render_jobs import LOG_FOLDER
from live_avatar.threads import usable_cores


def run_farm(
    wishes: FarmWishes,
    dispatch: Dispatch,
    *,
    arguments: Sequence[str],
    folder: Path,
    device: str,
    weights: Callable[[], str],
    listener: Listener,
    should_stop: Callable[[], bool],
) -> None:
    """Do all jobs with the executor that is wished for.

    Args:
        arguments: of the batch, spelled with underscores.
        folder: for videos.
        device: as ``--device`` says.
        weights: fingerprint of the model.

    Raises:
        Cancelled: stopped by the user.
        UserError: no worker can begin; see :class:`Driver` and ``ray_cluster``.
    """
    words = with_cards(arguments, wishes.gpus)
    if wishes.executor == "local":
        places = local_places(wishes, device)
        log_folder = folder / LOG_FOLDER
        listener.words(f"Workers: {', '.join(place.name for place in places)}. Logs are in {log_folder}")
        Driver(LocalExecutor(places, words, log_folder), dispatch, listener, should_stop).run()
        return
    from live_avatar.farm.ray_cluster import choose_gpus, ray_cluster
    from live_avatar.farm.ray_farm import RayExecutor
    from live_avatar.farm.shared_files import common_ground

    with ray_cluster(wishes.address) as ray, common_ground(folder, weights()) as ground:
        gpus = choose_gpus(ray, wishes.gpus, device)
        executor = RayExecutor(ray, words, ground, gpus=gpus, cpus=wishes.cpus or 1, workers=wishes.workers)
        Driver(executor, dispatch, listener, should_stop).run()


def with_cards(arguments: Sequence[str], gpus: int | None) -> list[str]:
    """The arguments for a worker: with several cards it uses them together, unless the user said how."""
    said = any(word.partition("=")[0] == "--num_gpus_dit" for word in arguments)
    if gpus is None or gpus < 2 or said:
        return list(arguments)
    return [*arguments, f"--num_gpus_dit={gpus}"]


def local_places(wishes: FarmWishes, device: str) -> list[Place]:
    """Where workers compute on this machine.

    Raises:
        UserError: ``FARM_NO_ROOM``.
    """
    cards = 0
    if device != "cpu" and wishes.gpus != 0:
        import torch

        # Counting makes no context, which would take memory of the first card.
        cards = torch.cuda.device_count()
    if cards == 0 and not wishes.gpus:
        return share_cores(usable_cores(), wishes.workers, wishes.cpus)
    places = share_cards(cards, wishes.gpus or 1, wishes.workers)
    if wishes.cpus is None:
        return places
    return [Place(p.name, {**p.environment, "OMP_NUM_THREADS": str(wishes.cpus)}) for p in places]
