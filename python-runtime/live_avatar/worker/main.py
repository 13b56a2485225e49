"""Start of the worker process: claim the streams first, only then import what might print."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import signal
from collections.abc import Sequence
from importlib import resources
from typing import NoReturn

from live_avatar.threads import prepare_threads
from live_avatar.worker.stdio import claim_standard_streams, read_lines, use_utf8, write_message

# So that whoever started the worker knows that another one may go on.
DEVICE_LOST_STATUS = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Serve requests on standard input until it ends or ``shutdown`` is asked; returns the exit status.

    0 after an orderly end, 1 when the libraries cannot be used, :data:`DEVICE_LOST_STATUS` when the card was lost.

    Takes over the standard streams of the process and its signals; the process is of no other use afterwards.
    """
    if _parser().parse_args(argv).sentences:
        print(resources.files("live_avatar.protocol").joinpath("sentences.json").read_text("utf-8"), end="")
        return 0
    use_utf8()
    requests, messages = claim_standard_streams()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    faulthandler.enable()
    # So that cuda:N is the same card here and in the driver's own tools.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    prepare_threads()
    try:
        from live_avatar.worker.engine import Engine
        from live_avatar.worker.facts import hello, memory_bytes
        from live_avatar.worker.service import Worker

        facts = hello()
    except Exception as error:
        from live_avatar.protocol.messages import error_payload
        from live_avatar.worker.faults import torch_unusable

        answer = {"type": "error", "request_id": None, "error": error_payload(torch_unusable(error))}
        write_message(messages, answer)
        write_message(messages, {"type": "bye", "request_id": None, "reason": "broken"})
        return 1
    worker = Worker(Engine(), read_lines(requests), lambda message: write_message(messages, message), memory_bytes)
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: worker.stop("signal"))
    if worker.run(facts) == "device_lost":
        _end_at_once(DEVICE_LOST_STATUS)
    return 0


def _end_at_once(status: int) -> NoReturn:
    """Without tidying up: what would talk to a lost card may wait for it for ever."""
    logging.shutdown()
    os._exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="live-avatar worker",
        description="Serve requests as JSON lines: requests on standard input, messages on standard output, "
        "log on standard error. For programs, not for people; docs/protocol.md describes the conversation.",
    )
    parser.add_argument(
        "--sentences",
        action="store_true",
        help="Print the codes of all sentences that a client may want to translate, with the names of their values.",
    )
    return parser
