"""``live-avatar bench --multi``: several ranks on one take, measured, and the simulator's prediction of each figure.

Needs no files of a model: weights are drawn. For each case and each way to cut it, every rank's part is measured alone,
on its card; then all of them together. At the end a rank is killed. On ``--device cpu`` ranks are processes of one
thread that share the processor, with a small network: that is how the command itself is tested.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from live_avatar.bench.endurance import measure_endurance
from live_avatar.bench.multi_cases import Case, options_of
from live_avatar.bench.multi_flags import cases_of, counts_of, devices_of, read_flags
from live_avatar.bench.multi_job import Job
from live_avatar.bench.multi_loss import measure_loss
from live_avatar.bench.multi_measure import measure_option
from live_avatar.bench.multi_trace import trace_option
from live_avatar.bench.multi_words import case_lines, loss_lines, result_lines, trace_lines
from live_avatar.bench.rank_threads import threads_of_ranks
from live_avatar.bench.report_file import write_report, write_text
from live_avatar.bench.surroundings import describe_machine, machine_lines
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.random_weights import write_random_model
from live_avatar.distributed.edges import Transport
from live_avatar.distributed.multi_planner import Fleet, Option
from live_avatar.distributed.selftest import run_selftest
from live_avatar.distributed.simulated_order import Order
from live_avatar.distributed.transfer_model import LINKS, Wiring
from live_avatar.errors import UserError
from live_avatar.fast.card import detect_card, link_rate
from live_avatar.fast.card_rates import rates_of
from live_avatar.fast.task import Card, Take
from live_avatar.file_facts import read_model_sizes
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_SECOND, LatentShape
from live_avatar.threads import usable_cores

_GB = 1e9
_INFER_FRAMES = 48
_ENDURANCE_SIZE = (384, 256)
_MOST_RANKS_OF_ENDURANCE = 4
# The planner is told of a card for each rank on the processor, so that there are cuts to take.
_NO_CARD = Card("processor", (9, 0), 64 * 10**9, 200 * 10**9, rates_of("H200", (9, 0), 132), True)


class _Bench:
    """One run of the command."""

    def __init__(
        self,
        options: argparse.Namespace,
        cases: Sequence[Case],
        counts: Sequence[int],
        devices: tuple[str, ...],
        model: Path,
    ) -> None:
        self._options = options
        self._cases = cases
        self._counts = counts
        self._devices = devices
        self._model = model
        self._sizes = read_model_sizes(CheckpointLayout.find(model))
        self._on_cards = devices[0].startswith("cuda")
        self._wiring, self._transport, ways = _wiring(devices)
        self.report: dict[str, Any] = {
            "machine": describe_machine(devices[0]),
            "devices": list(devices),
            "steps": options.steps,
            "ways": ways,
            "results": [],
            "failed": [],
        }

    def run(self) -> None:
        """Measure everything that was asked for."""
        print("\n".join([*machine_lines(self.report["machine"]), *self.report["ways"]]), flush=True)
        cases, counts = self._cases, self._counts
        for case in cases:
            self._job(case, max(counts))
        for index, case in enumerate(cases):
            self._measure_case(case, counts, first=index == 0)
        most = max(counts)
        if most > 1 and not self._options.no_loss:
            self._measure_loss(cases[0], most)
        if self._options.trace is not None:
            self._trace(cases[0], most)
        if self._options.endurance is not None:
            size = _ENDURANCE_SIZE if self._options.size is None else cases[0].size
            ranks = min(most, _MOST_RANKS_OF_ENDURANCE)
            self._say(["\nendurance, with a tiny network on the processor"])
            self._keep("endurance", measure_endurance(size, _INFER_FRAMES, ranks, self._options.endurance), [])

    def _measure_case(self, case: Case, counts: Sequence[int], *, first: bool) -> None:
        results: list[dict[str, Any]] = []
        for ranks in counts:
            job = self._job(case, ranks)
            for name, option in self._options_of(case, job):
                if option is None:
                    print(f"{case.words()}: {ranks} cards cannot be cut so, or have no room: {name}", flush=True)
                    continue
                longest = name == "best" or (name == "one card" and max(counts) == 1)
                if self._options.minutes is not None and first and longest and ranks == max(counts):
                    blocks = round(self._options.minutes * 60 * FRAMES_PER_SECOND / BLOCK_FRAMES)
                    job = replace(job, long_blocks=max(2, blocks))
                facts = {"name": name, "ranks": ranks, "size": list(case.size), "limit_gb": case.limit}
                try:
                    found = facts | {"precision": case.precision} | measure_option(job, option, case.size)
                except Exception as error:
                    # The other ways are measured all the same.
                    fault = _fault_of(error)
                    # Its frames hold networks.
                    traceback.clear_frames(error.__traceback__)
                    self.report["failed"].append(facts | fault)
                    self._say([f"{case.words()}, {name}: {fault['what']} {fault['why']} [{fault['code']}]"])
                    continue
                finally:
                    job = replace(job, long_blocks=0)
                results.append(found)
                self.report["results"].append(found)
                self._say(list(result_lines(found)))
        self._say(list(case_lines(case, results)))

    def _measure_loss(self, case: Case, ranks: int) -> None:
        job, fewer_job = self._job(case, ranks), self._job(case, ranks - 1)
        option, fewer = self._best(case, job), self._best(case, fewer_job)
        if option is not None and fewer is not None:
            found = measure_loss(job, option, fewer_job, fewer)
            self._keep("loss", found, list(loss_lines(found)))

    def _trace(self, case: Case, ranks: int) -> None:
        job = self._job(case, ranks)
        option = self._best(case, job)
        if option is not None:
            picture, facts = trace_option(job, option)
            write_text(self._options.trace, picture, "trace")
            self._keep("trace", facts, list(trace_lines(facts, str(self._options.trace))))

    def _best(self, case: Case, job: Job) -> Option | None:
        return next(self._options_of(replace(case, cuts=case.cuts[:1]), job))[1]

    def _options_of(self, case: Case, job: Job) -> Iterator[tuple[str, Option | None]]:
        fleet = Fleet(job.cards, job.wiring)
        for name, option in options_of(case, job.take, fleet, plain=not self._on_cards):
            if option is not None and self._options.room is not None:
                option = replace(option, order=Order(self._options.room, None, option.order.ahead))
            yield name, option

    def _job(self, case: Case, ranks: int) -> Job:
        limit = None if case.limit is None else int(case.limit * _GB)
        devices = self._devices[:ranks]
        take = Take(self._sizes, LatentShape.of_picture(*case.size, _INFER_FRAMES), self._options.steps)
        cards = tuple(_card(device, limit) for device in devices)
        wiring = replace(self._wiring, hosts=self._wiring.hosts[:ranks])
        cores = None if self._on_cards else usable_cores()
        return Job(take, self._model, devices, cards, limit, wiring, self._transport, self._options.blocks, cores=cores)

    def _keep(self, name: str, found: dict[str, Any], lines: Sequence[str]) -> None:
        self.report[name] = found
        self._say(lines)

    def _say(self, lines: Sequence[str]) -> None:
        """Print, and write what there is so far."""
        print("\n".join(lines), flush=True)
        if self._options.json is not None:
            write_report(self._options.json, self.report)


def _fault_of(error: Exception) -> dict[str, Any]:
    """For the report: of what was refused, or of a fault of the program, with its traceback."""
    if isinstance(error, UserError):
        return {"code": error.code, "what": error.what, "why": error.why}
    text = "".join(traceback.format_exception(error))
    return {"code": "INTERNAL_ERROR", "what": f"{type(error).__name__}: {error}", "why": "", "traceback": text}


def _wiring(devices: tuple[str, ...]) -> tuple[Wiring, Transport, list[str]]:
    """The ways between the ranks as the self-test finds them, and what it has to say."""
    hosts = (0,) * len(devices)
    if len(devices) == 1:
        return Wiring(hosts, LINKS["host"], LINKS["host"]), "host", []
    found = run_selftest(devices)
    if found.way is None:
        raise RuntimeError("; ".join(found.notes) or "no way between the ranks works")
    found.apply()
    like = LINKS["nvlink" if found.way.transport == "card" else "host"]
    measured = {
        edge: replace(like, name=f"{edge[0]} to {edge[1]}", bandwidth=rate, source="measured")
        for edge, rate in found.rates.items()
    }
    some = next(iter(measured.values()), LINKS["host"])
    words = [f"{edge[0]} to {edge[1]}: {rate / _GB:.1f} GB/s" for edge, rate in sorted(found.rates.items())]
    return Wiring(hosts, some, some, measured), found.way.transport, [found.way.words, *words, *found.notes]


@functools.cache
def _card(device: str, limit: int | None) -> Card:
    """A card as the planner sees it, looked at once, while nothing is on it."""
    if not device.startswith("cuda"):
        return _NO_CARD
    found = detect_card(torch.device(device), limit)
    return replace(found, rates=found.rates.with_link(_link_rate(device)))


@functools.cache
def _link_rate(device: str) -> float:
    return link_rate(torch.device(device))


def main(argv: Sequence[str]) -> int:
    """Measure and print; returns 0.

    Raises:
        UserError: ``ARGUMENTS_INVALID``, ``SIZE_INVALID``, ``CUT_INVALID``, ``DEVICE_UNAVAILABLE``, or of a rank.
    """
    options = read_flags(argv)
    devices = devices_of(options)
    on_processor = not devices[0].startswith("cuda")
    counts, cases = counts_of(options.ranks, len(devices)), cases_of(options, on_cards=not on_processor)
    preset = options.preset or ("medium" if on_processor else "14b")
    with (
        tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder,
        threads_of_ranks(1) if on_processor else nullcontext(),
    ):
        model = Path(folder) / "model"
        write_random_model(model, preset, Drawing(1))
        _Bench(options, cases, counts, devices, model).run()
    return 0
