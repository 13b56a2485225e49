"""Whether a machine of a cluster sees the same files and runs the same program as the batch. No torch."""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from live_avatar import __version__
from live_avatar.errors import UserError

SAME_PLACE = "Mount the folders of the batch and of the model at the same place on all machines"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a worker must find on its machine.

    Attributes:
        work_folder: relative paths start there.
        proof: a file in the batch's folder for videos, with ``word`` in it.
        weights: fingerprint of the model.
    """

    work_folder: str
    proof: str
    word: str
    version: str
    weights: str


@contextmanager
def common_ground(folder: Path, weights: str) -> Iterator[Ground]:
    """What workers are to find, for as long as the batch lasts."""
    from live_avatar.media.atomic import atomic_write_text

    folder.mkdir(parents=True, exist_ok=True)
    proof = folder.absolute() / f".batch-{secrets.token_hex(4)}"
    word = secrets.token_hex(16)
    atomic_write_text(proof, word)
    try:
        yield Ground(os.getcwd(), str(proof), word, __version__, weights)
    finally:
        proof.unlink(missing_ok=True)


def stand_on(ground: Ground) -> None:
    """Go to the batch's work folder on this machine, and see that it is the same there.

    Raises:
        UserError: ``FARM_NODE_DIFFERS``.
    """
    if ground.version != __version__:
        raise differs(
            f"It has version {__version__} of this program, the batch has {ground.version}",
            "Install the same version on all machines",
        )
    try:
        os.chdir(ground.work_folder)
        same = Path(ground.proof).read_text("utf-8") == ground.word
        why = "it holds something else"
    except OSError as error:
        same, why = False, f"{error.filename}: {error.strerror}"
    if not same:
        raise differs(
            f"It does not see the folder for videos of the batch, {Path(ground.proof).parent} ({why})",
            SAME_PLACE,
        )


def check_weights(ground: Ground, weights: str) -> None:
    """See that the model is the same.

    Raises:
        UserError: ``FARM_NODE_DIFFERS``.
    """
    if weights != ground.weights:
        raise differs("It has another model in --ckpt_dir or another LoRA", "Mount or copy the same model everywhere")


def differs(why: str, hint: str) -> UserError:
    """A machine cannot take part in the batch."""
    return UserError(
        "FARM_NODE_DIFFERS", f"The machine {platform.node()} cannot work for this batch.", f"{why}.", f"{hint}."
    )
