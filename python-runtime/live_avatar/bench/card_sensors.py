"""Power and clocks of a card while something runs, from nvidia-smi."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import threading
from types import TracebackType

_FIELDS = ("power.draw", "clocks.sm", "clocks.mem", "temperature.gpu")
_NAMES = ("watts", "sm_mhz", "memory_mhz", "celsius")
_EVERY_MS = 200


class CardSensors:
    """Samples in the background inside a ``with`` block; without nvidia-smi there are no samples.

    Attributes:
        samples: rows of (watts, SM clock in MHz, memory clock in MHz, degrees).
    """

    def __init__(self, index: int = 0) -> None:
        self.samples: list[tuple[float, ...]] = []
        self._index = index
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> CardSensors:
        program = shutil.which("nvidia-smi")
        if program is None:
            return self
        query = [f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
        words = [program, f"--id={self._index}", *query, f"--loop-ms={_EVERY_MS}"]
        try:
            self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except OSError:
            return self
        self._thread = threading.Thread(target=self._read, name="card-sensors", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        if self._thread is not None:
            self._thread.join()

    def summary(self) -> dict[str, float]:
        """Medians by name; of watts the highest as well. Empty without samples."""
        if not self.samples:
            return {}
        columns = dict(zip(_NAMES, zip(*self.samples, strict=True), strict=True))
        found = {name: float(statistics.median(values)) for name, values in columns.items()}
        return found | {"highest_watts": max(columns["watts"])}

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            row = read_sample(line)
            if row is not None:
                self.samples.append(row)


def read_sample(line: str) -> tuple[float, ...] | None:
    """A line of numbers; ``None`` for any other, such as one of a card that does not tell its power."""
    try:
        row = tuple(float(part) for part in line.split(","))
    except ValueError:
        return None
    return row if len(row) == len(_FIELDS) else None
