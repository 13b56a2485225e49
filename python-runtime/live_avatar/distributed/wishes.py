"""What a user may fix about the use of several cards. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from live_avatar.distributed.cut import CutKind
from live_avatar.errors import UserError

CUT_KINDS: tuple[CutKind, ...] = get_args(CutKind)


@dataclass(frozen=True, slots=True)
class CutWishes:
    """What is not left to the planner; ``None`` for what is.

    Attributes:
        kind: how the work is cut.
        counts: layers of each rank; by steps its steps, balanced its (step, layer) units. The first may be 0.
        ranks: processes in all, one card each.
        decoding_alone: the lead only decodes and encodes.
        most: ranks that the planner may choose where ``ranks`` says nothing.
    """

    kind: CutKind | None = None
    counts: tuple[int, ...] | None = None
    ranks: int | None = None
    decoding_alone: bool | None = None
    most: int = 1

    @property
    def any(self) -> bool:
        """Whether something is fixed."""
        return replace(self, most=1) != CutWishes()

    @property
    def several(self) -> bool:
        """Whether more than one rank is asked for."""
        return self.ranks is not None and self.ranks > 1


def read_cut_wishes(
    *,
    num_gpus_dit: int | None = None,
    ulysses_size: int = 1,
    enable_vae_parallel: bool = False,
    cut: str | None = None,
    layers: str | None = None,
    world: int | None = None,
    most: int = 1,
) -> CutWishes:
    """Wishes from flags of the same names.

    Args:
        num_gpus_dit: ranks that denoise.
        enable_vae_parallel: one more rank, the lead, that only decodes.
        cut: ``auto`` or a kind of cut.
        layers: a list like ``10,10,10,10``: of all ranks, or of those that denoise beside a lead that decodes.
        world: processes that torchrun started.
        most: cards that may be chosen where no flag says anything.

    Raises:
        UserError: ``ULYSSES_NOT_BUILT``, ``CUT_INVALID``, ``LAYERS_INVALID``, ``RANKS_INVALID``.
    """
    if ulysses_size != 1:
        raise _not_built(ulysses_size)
    kind = _read_kind(cut)
    counts = None if layers is None else _read_counts(layers)
    if counts is not None:
        kind = kind or "layers"
        if enable_vae_parallel and counts[0] != 0:
            counts = (0, *counts)
        _check_counts(counts, layers or "")
    if num_gpus_dit is not None and num_gpus_dit < 1:
        raise _ranks_invalid(f"{num_gpus_dit} cards cannot denoise.", "At least one has to.", "num_gpus_dit")
    ranks = None if num_gpus_dit is None else num_gpus_dit + int(enable_vae_parallel)
    if counts is not None:
        denoising = sum(count > 0 for count in counts)
        if num_gpus_dit is not None and num_gpus_dit != denoising:
            raise _ranks_invalid(
                f"--layers {layers} is for {denoising} cards that denoise, --num_gpus_dit says {num_gpus_dit}.",
                "Both fix the same number.",
                "layers",
            )
        ranks = len(counts)
    if world is not None and world > 1:
        if ranks is not None and ranks != world:
            raise _ranks_invalid(
                f"{ranks} ranks are asked for, and torchrun started {world} processes.",
                "Each process is one rank.",
                "num_gpus_dit",
            )
        ranks = world
    alone = True if enable_vae_parallel or (counts is not None and counts[0] == 0) else None
    if counts is not None and counts[0] > 0:
        alone = False
    found = CutWishes(kind, counts, ranks, alone)
    return found if found.any else CutWishes(most=most)


def check_counts_fit(counts: tuple[int, ...], kind: CutKind, layers: int, steps: int) -> None:
    """Whether counts cover a network and a schedule.

    Raises:
        UserError: ``LAYERS_INVALID``.
    """
    total, name = {
        "layers": (layers, "layers"),
        "steps": (steps, "steps"),
        "balanced": (layers * steps, "units of one step and one layer"),
    }[kind]
    if sum(counts) != total:
        raise _layers_invalid(
            ",".join(map(str, counts)),
            f"They are {sum(counts)}, and the {'schedule' if kind == 'steps' else 'model'} has {total} {name}.",
        )


def _read_kind(cut: str | None) -> CutKind | None:
    if cut is None or cut == "auto":
        return None
    for kind in CUT_KINDS:
        if cut == kind:
            return kind
    raise UserError(
        "CUT_INVALID",
        f'"{cut}" is no way to cut the work.',
        f"The ways are auto, {', '.join(CUT_KINDS)}.",
        "Leave --cut out to have it chosen.",
        field="cut",
    )


def _read_counts(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise _layers_invalid(text, "It has to be whole numbers with commas between them.") from None


def _check_counts(counts: tuple[int, ...], text: str) -> None:
    if min(counts) < 0 or 0 in counts[1:] or sum(counts) == 0:
        raise _layers_invalid(text, "Only the first rank, which decodes, may have none, and no number is below 0.")


def _layers_invalid(text: str, why: str) -> UserError:
    return UserError(
        "LAYERS_INVALID",
        f'"{text}" cannot be the layers of the ranks.',
        why,
        "Give for example --layers 22,18 for two cards, or leave it out to have it chosen.",
        field="layers",
    )


def _ranks_invalid(what: str, why: str, field: str) -> UserError:
    return UserError("RANKS_INVALID", what, why, "Make them agree, or leave one out.", field=field)


def _not_built(size: int) -> UserError:
    return UserError(
        "ULYSSES_NOT_BUILT",
        f"A pass cannot be split over {size} cards.",
        "Whole layers or steps on each card keep all of them busy. Splitting a pass makes its products smaller, which "
        "were measured 18 % slower at a quarter of the rows, and exchanges data four times in every layer.",
        "Leave --ulysses_size at 1 and use --cut layers or --cut steps.",
        field="ulysses_size",
    )
