"""Several cards on one take, measured, with the simulator's prediction beside each figure.

``python -m live_avatar.bench.multi --ranks 1,2 --json FILE``. Needs no files of a model: weights are drawn. First every
rank's part is measured alone, on its card; then the ways between the cards; then all of them together.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from live_avatar.bench.multi_measure import Job, measure_option
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.random_weights import write_random_model
from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.edges import Transport
from live_avatar.distributed.multi_planner import Fleet, Option, plan_fleet, single_option
from live_avatar.distributed.selftest import run_selftest
from live_avatar.distributed.simulated_order import Order
from live_avatar.distributed.transfer_model import LINKS, Link, Wiring
from live_avatar.distributed.wishes import read_cut_wishes
from live_avatar.fast.card import detect_card, link_rate
from live_avatar.fast.card_rates import rates_of
from live_avatar.fast.rungs import Card, Take, Wishes
from live_avatar.file_facts import read_model_sizes
from live_avatar.footprint import CUDA_CONTEXT_BYTES
from live_avatar.geometry import LatentShape, parse_size

_GB = 1e9
# Without a card the planner is told of one, so that there is a cut to take.
_NO_CARD = Card("processor", (9, 0), 64 * 10**9, 200 * 10**9, rates_of("H200", (9, 0), 132), True)


def result_lines(result: dict[str, Any]) -> Iterator[str]:
    """A table of what was measured, predicted from the parts, and planned beforehand."""
    measured, predicted, planned = result["measured"], result["predicted"], result["planned"]
    yield result["summary"]
    for part in result["parts"]:
        items = ", ".join(f"{each:.1f}" for each in part["item_ms"]) or "none"
        yield (
            f"  rank {part['rank']} alone: items {items} ms, prefill {part['prefill_ms']:.0f} ms, weights "
            f"{part['weights_gb']:.1f} GB (planned {part['planned_weights_gb']:.1f}), peak {part['peak_gb']:.1f} GB"
        )
    encode = "" if result["encode_ms"] is None else f", compressing {result['encode_ms']:.1f} ms"
    yield f"  decoding {result['decode_ms']:.1f} ms{encode}"
    yield f"  {'':22}{'measured':>10}{'predicted':>11}{'off by':>8}{'planned':>10}"
    for name, words in (("fps", "frames/s"), ("p50", "period p50, ms"), ("p95", "period p95, ms")):
        yield _row(words, measured[name], predicted[name], planned[name], 1)
    yield _row("first picture, s", measured["first_picture"], predicted["first_picture"], planned["first_picture"], 2)
    if measured["encoded"] is not None and result["predicted_encoded"] is not None:
        encoded = result["predicted_encoded"]["fps"]
        yield _row("frames/s with H.264", measured["encoded"]["fps"], encoded, planned["fps"], 1)
    memory = [f"{held:.1f}" for held in measured["memory_gb"] if held is not None]
    if memory:
        yield f"  GB of tensors on each card: {', '.join(memory)}"


def _row(words: str, measured: float, predicted: float, planned: float, digits: int) -> str:
    off = predicted / measured - 1
    return f"  {words:22}{measured:10.{digits}f}{predicted:11.{digits}f}{off:+8.1%}{planned:10.{digits}f}"


def _options(job: Job, arguments: argparse.Namespace, counts: Sequence[int]) -> Iterator[tuple[Job, Option]]:
    """The way to measure for each number of ranks."""
    for ranks in counts:
        fewer = job.first(ranks)
        fleet = Fleet(fewer.cards, fewer.wiring)
        if ranks == 1:
            option = single_option(fewer.take, fleet, Wishes(steps="sequential"))
        else:
            given = arguments.layers is not None and len(arguments.layers.split(",")) == ranks
            choice = read_cut_wishes(
                num_gpus_dit=None,
                cut=arguments.cut,
                layers=arguments.layers if given else None,
                enable_vae_parallel=arguments.enable_vae_parallel,
            )
            plan = plan_fleet(fewer.take, fleet, Wishes(), replace(choice, ranks=ranks))
            option = plan.options[0] if plan.options else None
        if option is None:
            print(f"{ranks} cards have no room for this take", file=sys.stderr)
            continue
        if arguments.room is not None:
            option = replace(option, order=Order(arguments.room, None, option.order.ahead))
        if arguments.engine == "plain":
            option = _plain(fewer, option)
        yield fewer, option


def _plain(job: Job, option: Option) -> Option:
    """The same with the network as published: what a machine without a card measures."""
    plan = ComputePlan("plain", "float32", "float32", graphs=False)
    ranks = tuple(replace(rank, plan=plan) for rank in option.ranks)
    return replace(option, ranks=ranks)


def _wiring(devices: tuple[str, ...]) -> tuple[Wiring, Transport, list[str]]:
    """The ways between the ranks as the self-test finds them, and what it has to say."""
    hosts = (0,) * len(devices)
    if len(devices) == 1:
        return Wiring(hosts, LINKS["host"], LINKS["host"]), "host", []
    found = run_selftest(devices)
    if found.way is None:
        raise RuntimeError("; ".join(found.notes) or "no way between the ranks works")
    found.apply()
    latency = LINKS["nvlink" if found.way.transport == "card" else "host"].latency
    measured = {edge: Link(f"{edge[0]} to {edge[1]}", latency, rate, "measured") for edge, rate in found.rates.items()}
    some = next(iter(measured.values()), LINKS["host"])
    words = [f"{edge[0]} to {edge[1]}: {rate / _GB:.1f} GB/s" for edge, rate in sorted(found.rates.items())]
    return Wiring(hosts, some, some, measured), found.way.transport, [found.way.words, *words, *found.notes]


def _card(device: str, limit: int | None) -> Card:
    if not device.startswith("cuda"):
        return _NO_CARD
    found = detect_card(torch.device(device), limit)
    return replace(found, rates=found.rates.with_link(link_rate(torch.device(device))))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write a JSON file if asked to; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m live_avatar.bench.multi", description=__doc__)
    parser.add_argument("--ranks", default="", help="numbers of cards, such as 1,2,4 (1 and all there are)")
    parser.add_argument("--size", default="704*384", help="width*height (704*384)")
    parser.add_argument("--steps", type=int, default=4, help="denoising steps (4)")
    parser.add_argument("--cut", help="auto, layers, steps or balanced (auto)")
    parser.add_argument("--layers", help="slices of the ranks, such as 18,22; for the number of ranks that it has")
    parser.add_argument("--enable_vae_parallel", action="store_true", help="the lead only decodes")
    parser.add_argument("--room", type=int, help="blocks in flight (as the planner says)")
    parser.add_argument("--memory_limit", type=float, help="gigabytes of each card that may be taken")
    parser.add_argument("--blocks", type=int, default=32, help="blocks to measure (32)")
    parser.add_argument("--preset", default="14b", help="sizes of the network, as random-weights has them (14b)")
    parser.add_argument("--devices", help="devices of the ranks, such as cuda:0,cuda:1 (all cards)")
    parser.add_argument("--engine", choices=("flat", "plain"), default="flat", help="plain: the network as published")
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args(argv)
    cards = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    devices = tuple(arguments.devices.split(",")) if arguments.devices else tuple(cards)
    if not devices:
        print("PyTorch sees no card here; name devices with --devices.", file=sys.stderr)
        return 2
    counts = [int(part) for part in (arguments.ranks or f"1,{len(devices)}").split(",")]
    counts = [count for count in dict.fromkeys(counts) if 1 <= count <= len(devices)]
    limit = None if arguments.memory_limit is None else int(arguments.memory_limit * _GB)
    if limit is not None and limit <= CUDA_CONTEXT_BYTES:
        print(f"--memory_limit has to be more than {CUDA_CONTEXT_BYTES / _GB:.1f}.", file=sys.stderr)
        return 2
    size = parse_size(arguments.size)
    wiring, transport, said = _wiring(devices)
    print("\n".join(said), flush=True)
    report: dict[str, Any] = {"torch": torch.__version__, "devices": list(devices), "ways": said, "results": []}
    with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder:
        model = Path(folder) / "model"
        write_random_model(model, arguments.preset, Drawing(1))
        take = Take(read_model_sizes(CheckpointLayout.find(model)), LatentShape.of_picture(*size, 48), arguments.steps)
        found = tuple(_card(device, limit) for device in devices)
        job = Job(take, model, devices, found, limit, wiring, transport, arguments.blocks)
        report |= {"cards": [card.name for card in found], "size": list(size), "steps": arguments.steps}
        for fewer, option in _options(job, arguments, counts):
            result = measure_option(fewer, option, size)
            report["results"].append(result)
            print("\n".join(result_lines(result)), flush=True)
            if arguments.json is not None:
                arguments.json.write_text(json.dumps(report, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
