"""Plans of several cards: how many are taken and what each does, what is refused, and the command that tells it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import live_avatar.distributed.fleet as fleets
import live_avatar.distributed.team_plan as team_plan
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.random_weights import write_random_model
from live_avatar.cli import main
from live_avatar.cli.compute_flags import read_wishes
from live_avatar.cli.generate import make_generate_parser
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.distributed.card_probe import facts_of
from live_avatar.distributed.cut import cut_by_layers
from live_avatar.distributed.fleet import find_fleet, read_card
from live_avatar.distributed.gathering import TorchrunGathering
from live_avatar.distributed.going_alone import plan_alone
from live_avatar.distributed.launch import TorchrunPlace
from live_avatar.distributed.multi_planner import Fleet
from live_avatar.distributed.team_plan import TeamPlan, find_sharing, plan_team
from live_avatar.distributed.transfer_model import Wiring
from live_avatar.distributed.wishes import CutWishes
from live_avatar.errors import UserError
from live_avatar.fast.card_rates import rates_of
from live_avatar.fast.described_card import describe_card
from live_avatar.fast.task import Card
from live_avatar.planner import make_plan
from tests.render_material import command
from tests.test_card_planner import LARGE, SMALL, take
from tests.test_planner import PUBLISHED_SIZES

pytestmark = pytest.mark.usefixtures("one_thread_and_own_cache")

ALONE = ComputeWishes()
TWO = ComputeWishes(cut=CutWishes(ranks=2))


def cards(wishes: ComputeWishes, size: Any = LARGE, loaded: TeamPlan | None = None, card: str = "H200:141") -> TeamPlan:
    machine, described = describe_card(card)
    return plan_team(take(size), machine, "auto", wishes, described, loaded)


def test_cards_are_planned_by_the_simulator() -> None:
    plan = cards(ComputeWishes(cut=CutWishes(ranks=4)))
    assert plan.cut.ranks == 4
    assert plan.plans is not None
    assert plan.option is not None
    assert plan.option.run.frames_per_second > 70
    assert plan.devices == ("cuda:0", "cuda:1", "cuda:2", "cuda:3")
    assert len({each.numerics for each in plan.plans}) == 1
    assert plan.plans[0].numerics in plan.accepted
    assert sum(rank["units"] for rank in plan.as_dict()["ranks"]) == 4 * 40
    by_steps = cards(ComputeWishes(cut=CutWishes(kind="steps", ranks=4)))
    assert by_steps.cut.kind == "steps"


def test_the_team_in_memory_is_kept_unless_another_is_clearly_faster() -> None:
    two = ComputeWishes(cut=CutWishes(ranks=2))
    large = cards(two)
    small = cards(two, SMALL, large)
    assert (small.cut, small.plans) == (large.cut, large.plans)
    lopsided = cards(ComputeWishes(cut=CutWishes("layers", (38, 2), 2)))
    assert cards(two, LARGE, replace(lopsided, asked=two.cut)).cut != lopsided.cut
    # Wishes that fix something else are heard.
    assert cards(ComputeWishes(cut=CutWishes("layers", (21, 19), 2)), LARGE, large).cut == cut_by_layers(4, [21, 19])


AUTO = ComputeWishes(cut=CutWishes(most=64))


def sharing(monkeypatch: pytest.MonkeyPatch, cards: list[Card], wishes: ComputeWishes = AUTO, size: Any = LARGE) -> int:
    """How many of these cards the planner takes."""
    machine, _ = describe_card("H200:141")
    fleet = Fleet(tuple(cards), Wiring.of(len(cards)))
    monkeypatch.setattr(team_plan, "cards_from", lambda machine: len(cards))
    monkeypatch.setattr(team_plan, "_fleet", lambda *_: fleet)
    found, unused = find_sharing(take(size), machine, "auto", wishes, cards[0], None)
    assert unused is None
    return 1 if found is None else len(found.fleet.cards)


def test_as_many_cards_as_make_it_sooner_are_taken_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    _, large = describe_card("H200:141")
    assert [sharing(monkeypatch, [large] * count) for count in (1, 2, 4)] == [1, 2, 4]
    # A hundredth as fast, a second card is a hindrance; with no room for anything it is none.
    slow = replace(large, rates=rates_of("RTX 3060", (8, 6), 1))
    assert sharing(monkeypatch, [large, slow]) == 1
    assert sharing(monkeypatch, [large, replace(large, free=10**9)]) == 1
    # Said otherwise.
    assert sharing(monkeypatch, [large] * 2, ComputeWishes()) == 1
    assert sharing(monkeypatch, [large] * 2, replace(AUTO, steps="packed")) == 1
    machine, _ = describe_card("H200:141")
    plan = plan_team(take(LARGE), machine, "auto", ComputeWishes(cut=CutWishes(ranks=2)), large)
    again, _ = find_sharing(take(SMALL), machine, "auto", AUTO, large, plan)
    assert again is not None
    assert again.fleet is (plan.found and plan.found.fleet)
    # A team in memory is no reason to refuse what needs one card, or what only one card has room for.
    assert find_sharing(take(SMALL), machine, "auto", replace(AUTO, steps="packed"), large, plan) == (None, None)
    assert plan.found is not None
    full = replace(plan.found.fleet, cards=tuple(replace(large, free=10**9) for _ in range(2)))
    crowded = replace(plan, found=replace(plan.found, fleet=full))
    assert find_sharing(take(LARGE), machine, "auto", AUTO, large, crowded) == (None, None)


def test_cards_that_nobody_asked_for_and_that_cannot_be_used_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, described = describe_card("H200:141")
    monkeypatch.setattr(team_plan, "cards_from", lambda machine: 2)

    def refuse(*_: object) -> Fleet:
        raise UserError("DEVICE_UNAVAILABLE", "Not all can be used.", "One is broken.", "Take it out.")

    monkeypatch.setattr(team_plan, "_fleet", refuse)
    found, unused = find_sharing(take(LARGE), machine, "auto", AUTO, described, None)
    assert found is None
    assert unused == f"Only {machine.device} renders. Not all can be used. One is broken."
    told = make_plan(
        take(LARGE).sizes, machine, image=(704, 384), audio_seconds=1.0, requested=(704, 384), infer_frames=48,
        sample_steps=4, num_clip=None, disk_available=10**12, card=described, wishes=AUTO, measured=False,
    )  # fmt: skip
    assert told.team is None
    assert ("CARDS_UNUSED", unused) in told.warnings


@pytest.mark.parametrize(
    ("flags", "ranks", "most"),
    [
        ((), None, 64),
        (("--device", "cuda"), None, 64),
        (("--device", "cuda:0"), None, 1),
        (("--device", "cpu"), None, 1),
        (("--single_gpu",), 1, 1),
        (("--num_gpus_dit", "2"), 2, 1),
    ],
)
def test_a_card_that_is_named_is_the_only_one(flags: tuple[str, ...], ranks: int | None, most: int) -> None:
    options = make_generate_parser().parse_args(["--image", "a.png", "--audio", "a.wav", "--prompt", "a", *flags])
    cut = read_wishes(options).cut
    assert (cut.ranks, cut.most) == (ranks, most)


@pytest.mark.parametrize(
    ("wishes", "card", "code"),
    [
        (ComputeWishes(steps="packed", cut=CutWishes(ranks=2)), "H200:141", "RANKS_INVALID"),
        (ComputeWishes(cut=CutWishes("layers", (20, 19), 2)), "H200:141", "LAYERS_INVALID"),
        (ComputeWishes(layers="device", cut=CutWishes(ranks=2)), "RTX 4090:6", "MEMORY_TOO_SMALL"),
    ],
)
def test_teams_that_cannot_be(wishes: ComputeWishes, card: str, code: str) -> None:
    with pytest.raises(UserError) as caught:
        cards(wishes, card=card)
    assert caught.value.code == code


def test_a_card_that_was_looked_at_elsewhere_is_the_card_it_is() -> None:
    _, described = describe_card("H200:141")
    seen = read_card(_facts(described))
    assert replace(described, host_free=0, rates=seen.rates) == seen
    assert seen.rates.float8_products == described.rates.float8_products


def _facts(card: Card) -> dict[str, Any]:
    return {
        "name": card.name, "capability": list(card.capability), "free": card.free,
        "multiprocessors": 132, "float8_attention": card.float8_attention,
    }  # fmt: skip


def test_other_cards_are_looked_at_once_for_a_row_of_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    _, described = describe_card("H200:141")
    asked: list[tuple[str, ...]] = []
    answers: list[dict[str, Card] | UserError] = [
        {"cuda:1": described},
        UserError("DEVICE_UNAVAILABLE", "It cannot be used.", "It is broken.", "Take it out."),
    ]

    def ask(devices: tuple[str, ...], limit: int | None) -> dict[str, Card]:
        asked.append(devices)
        answer = answers[len(asked) - 1]
        if isinstance(answer, UserError):
            raise answer
        return answer

    monkeypatch.setattr(fleets, "_asked", ask)
    monkeypatch.setattr(fleets, "_looks", {})
    for _ in range(2):
        assert len(find_fleet(described, ("cuda:0", "cuda:1"), (0, 0), None).cards) == 2
    assert len(asked) == 1
    # A broken one neither: it may take minutes to be found so.
    for _ in range(2):
        with pytest.raises(UserError):
            find_fleet(described, ("cuda:0", "cuda:2"), (0, 0), None)
    assert len(asked) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are cards")
def test_cards_that_are_not_there_are_told_in_words() -> None:
    _, described = describe_card("H200:141")
    with pytest.raises(UserError) as caught:
        find_fleet(described, ("cuda:0", "cuda:1"), (0, 0), None)
    assert (caught.value.code, caught.value.field) == ("DEVICE_UNAVAILABLE", "num_gpus_dit")
    with pytest.raises((RuntimeError, AssertionError)):
        facts_of("cuda:1", None)


def test_torchruns_followers_come_once() -> None:
    place = TorchrunPlace(0, 2, 0, "127.0.0.1", 0, False, "run")
    gathering = TorchrunGathering(place)
    gathering._rounds = 1
    with pytest.raises(UserError, match="RANKS_INVALID"):
        gathering.gather(None)  # type: ignore[arg-type]


def test_one_card_takes_the_place_of_two_as_it_would_have_from_the_start() -> None:
    """The plan of a card that goes on alone is the one it would have had by itself; none where it has no room."""
    machine, described = describe_card("H200:141")
    sizes = {"image": (704, 384), "audio_seconds": 10.0, "requested": (704, 384), "infer_frames": 48}
    facts: dict[str, Any] = {**sizes, "sample_steps": 4, "num_clip": None, "disk_available": 10**12}
    two = make_plan(PUBLISHED_SIZES, machine, card=described, wishes=TWO, **facts)
    alone = plan_alone(two)
    assert alone is not None
    assert alone.team is None
    assert alone.on_card is not None
    one = make_plan(PUBLISHED_SIZES, machine, card=described, wishes=ALONE, **facts)
    assert alone.compute == one.compute
    assert alone.accepted_numerics == one.accepted_numerics
    machine, small = describe_card("RTX 4090:24:32")
    two = make_plan(PUBLISHED_SIZES, machine, card=small, wishes=TWO, **facts)
    assert plan_alone(two) is None


def test_plan_tells_the_cut_and_simulates_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *command("--num_gpus_dit", "2", "--cut", "steps", "--quiet")]) == 0
    assert "2 ranks on cpu, by steps: 1, 1" in capsys.readouterr().out
    flags = ("--json", "--for_card", "H200:141", "--num_gpus_dit", "2", "--enable_vae_parallel")
    assert main(["plan", *command(*flags)]) == 0
    (plan,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if line["kind"] == "plan"]
    assert plan["on_card"] is None
    assert plan["team"]["ranks"][0]["layers"] == 0
    assert plan["team"]["decoding_alone"]
    assert plan["forecast"]["frames_per_second"] == pytest.approx(plan["team"]["frames_per_second"])
    assert main(["plan", *command("--json", "--for_card", "H200:141", "--simulate", "2")]) == 0
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert kinds[-1] == "simulation"


def test_plan_takes_the_cards_there_are_and_simulates_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(team_plan, "cards_from", lambda machine: 2)
    write_random_model(tmp_path / "model", "slice", Drawing(1))

    def told(*flags: str) -> list[dict[str, Any]]:
        words = ("--json", "--device", "auto", "--for_card", "RTX 4090:24", "--size", "704*384")
        model = ("--ckpt_dir", str(tmp_path / "model"), "--no_load_lora")
        assert main(["plan", *command(*words, *model, *flags)]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    def planned(*flags: str) -> dict[str, Any]:
        return next(line for line in told(*flags) if line["kind"] == "plan")

    alone, shared = planned("--single_gpu"), planned()
    assert alone["team"] is None
    assert len(shared["team"]["ranks"]) == 2
    assert shared["forecast"]["frames_per_second"] > 1.5 * alone["forecast"]["frames_per_second"]
    simulated = told("--simulate", "2")
    assert [line["kind"] for line in simulated][-1] == "simulation"
    assert next(line for line in simulated if line["kind"] == "plan")["on_card"] is not None


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--cut", "steps"), "RANKS_INVALID"),
        (("--enable_vae_parallel",), "RANKS_INVALID"),
        (("--num_gpus_dit", "7"), "RANKS_INVALID"),
        (("--num_gpus_dit", "3", "--layers", "3,3"), "RANKS_INVALID"),
        (("--layers", "3,4"), "LAYERS_INVALID"),
        (("--ulysses_size", "2"), "ULYSSES_NOT_BUILT"),
        (("--num_gpus_dit", "2", "--step_order", "packed"), "RANKS_INVALID"),
        (("--num_gpus_dit", "2", "--single_gpu"), "RANKS_INVALID"),
    ],
)
def test_flags_that_contradict_are_told(flags: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *command("--json", *flags)]) == 2
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["code"] == code
