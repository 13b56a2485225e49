"""``python -m live_avatar.verify --golden DIR``: a table of cases, exit status 1 on any miss or unknown case."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from live_avatar.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases of a golden folder; returns the exit status."""
    parser = argparse.ArgumentParser(prog="live-avatar verify", description="Check the engine against golden data.")
    parser.add_argument("--golden", type=Path, required=True, help="folder with golden.json, cases/ and ckpt/")
    parser.add_argument("--case", action="append", help="only this case (may be repeated)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N; always in float32")
    parser.add_argument("--json", action="store_true", help="print one JSON list instead of a table")
    options = parser.parse_args(arguments)

    from live_avatar.numerics import choose_device
    from live_avatar.verify.golden import Golden
    from live_avatar.verify.runner import run_case

    try:
        golden = Golden(options.golden, choose_device(options.device))
        names = golden.case_names()
        if options.case and (unknown := set(options.case) - set(names)):
            raise UserError(
                "GOLDEN_CASE_UNKNOWN",
                f"{options.golden} has no case {', '.join(sorted(unknown))}.",
                f"Its cases are {', '.join(names)}.",
                "Choose among these.",
            )
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    verdicts = []
    if not options.json:
        print(f"{'case':24} {'max abs error':>14} {'tolerance':>11}  result")
    for name in options.case or names:
        verdict = run_case(golden, name)
        verdicts.append(verdict)
        if not options.json:
            result = "pass" if verdict.passed else f"FAIL: {verdict.problem}"
            print(f"{name:24} {verdict.worst:14.2e} {verdict.tolerance:11.1e}  {result}", flush=True)
    failed = sum(not verdict.passed for verdict in verdicts)
    if options.json:
        print(json.dumps([_plain(asdict(verdict)) | {"passed": verdict.passed} for verdict in verdicts]))
    else:
        print(f"{len(verdicts) - failed} of {len(verdicts)} cases pass")
    return 1 if failed or not verdicts else 0


def _plain(values: dict[str, object]) -> dict[str, object]:
    """Numbers that are not numbers become null: JSON has no word for them."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }


if __name__ == "__main__":
    sys.exit(main())
