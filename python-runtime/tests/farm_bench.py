"""What an executor costs beside the rendering: ``python -m tests.farm_bench local`` (or ``inline``, or ``ray``).

Renders a few jobs of the demo model with one worker and prints seconds: until the first job is begun by a worker, of
which the command itself takes a part; from a job that is handed out to the first word of its worker; and between the
end of a job and the first word of the next one.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.farm_material import BatchCommand, write_jobs

_JOBS = 6


def main() -> None:
    """Measure one executor; more arguments go to the batch."""
    executor, more = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The first word of a render; a worker says where it is before that.
        first_word = "plan" if executor == "inline" else "worker"
        one = [] if executor == "inline" else ["--workers", "1"]
        words = write_jobs(folder, count=_JOBS, seconds=0.4)
        begun = time.monotonic()
        batch = BatchCommand(folder, *words, "--executor", executor, *one, *more)
        given, heard, ended = [], [], []
        for record in batch:
            now = time.monotonic() - begun
            if record["kind"] == "job" and record["state"] == "running":
                given.append(now)
            elif record["kind"] == first_word:
                heard.append(now)
            elif record["kind"] == "result":
                ended.append(now)
        if batch.end() != 0:
            raise SystemExit((folder / "stderr.txt").read_text())
    answers = [there - sent for sent, there in zip(given, heard, strict=True)]
    between = [there - end for end, there in zip(ended, heard[1:], strict=False)]
    print(f"{executor}: first job given after {given[0]:.2f} s, heard of after {heard[0]:.2f} s")
    print(f"{executor}: given to heard of, median {statistics.median(answers) * 1000:.1f} ms of {_JOBS} jobs")
    print(f"{executor}: end of a job to the next, median {statistics.median(between) * 1000:.1f} ms")
    print(f"{executor}: all in {ended[-1]:.2f} s")


if __name__ == "__main__":
    main()
