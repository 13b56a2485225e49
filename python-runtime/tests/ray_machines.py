"""Machines of a Ray cluster, all of which are this one: each is what ``ray start`` makes, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import psutil

_ADDRESS = re.compile(r"--address='([^']+)'")
# What it says when others can join; it says "started" before that.
_STARTED = "To terminate the Ray runtime"
_END_SECONDS = 60.0
# Another user of the cluster: says one line when it has an actor there, and asks that for its state once a line comes.
_OTHER_USER = """
import os, sys
# Ray prints to standard output, too; the answers have theirs alone.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import ray
ray.init(log_to_driver=False)
# For some seconds Ray may try to begin it on a machine that an earlier test has lost.
@ray.remote(num_cpus=int(sys.argv[1]), max_restarts=-1, max_task_retries=-1)
class Counter:
    count = 0
    def add(self):
        self.count += 1
        return self.count
counter = Counter.remote()
print(ray.get(counter.add.remote()), file=answers, flush=True)
input()
print(ray.get(counter.add.remote()), file=answers, flush=True)
"""


def can_hide_files() -> bool:
    """Whether a process of this user may see other files at the same paths (Linux, where it is not forbidden)."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return False
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0


class RayMachine:
    """One machine, from when it answers (``with``) until it is lost.

    Args:
        environment: of all machines of the cluster.
        cluster: address to join; ``None`` begins a cluster.
        instead: files or folders that its processes see in place of others.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        cluster: str | None,
        *,
        cpus: int,
        gpus: int = 0,
        instead: Mapping[Path, Path] | None = None,
    ) -> None:
        role = ["--head", "--port=0", "--include-dashboard=false"] if cluster is None else [f"--address={cluster}"]
        words = ["ray", "start", *role, "--block", f"--num-cpus={cpus}", f"--num-gpus={gpus}"]
        words += ["--object-store-memory=80000000", "--disable-usage-stats"]
        if instead:
            binds = " && ".join(f"mount --bind '{other}' '{path}'" for path, other in instead.items())
            words = ["unshare", "-rm", "sh", "-c", f'{binds} && exec "$0" "$@"', *words]
        self.address = cluster or ""
        self._words = words
        # The ray of this Python, whichever the path names.
        path = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
        self._environment = {**environment, "PATH": path}

    def __enter__(self) -> Self:
        # Two that start at once on one machine may choose the same names of sockets.
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._words, env=self._environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        said: list[str] = []
        for line in self._process.stdout:
            said.append(line)
            if not self.address and (found := _ADDRESS.search(line)):
                self.address = found[1]
            if _STARTED in line:
                # Read on: a full pipe would stop it.
                threading.Thread(target=self._process.stdout.read, daemon=True).start()
                return self
        self.lose()
        raise AssertionError("".join(said))

    def __exit__(self, *_: object) -> None:
        self.lose()

    def holds(self, pid: int) -> bool:
        """Whether a process is this machine's."""
        return psutil.Process(self._process.pid) in psutil.Process(pid).parents()

    def lose(self) -> None:
        """Kill all its processes at once, as a power cut does."""
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self._process.pid)
            processes = [top, *top.children(recursive=True)]
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes, timeout=_END_SECONDS)
        self._process.wait()


@contextlib.contextmanager
def ray_folder() -> Iterator[dict[str, str]]:
    """The environment of a cluster that keeps its files for itself."""
    # Names of sockets there must be short.
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        # What starts here is reached from this machine only; a token would be written into the home folder.
        quiet = {"RAY_TMPDIR": folder, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        # On a busy machine its own patience of half a minute is too short.
        yield {**os.environ, **quiet, "RAY_raylet_start_wait_time_s": "300"}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def other_user(environment: Mapping[str, str], address: str, cpus: int) -> Iterator[Callable[[], bool]]:
    """Somebody else on the cluster until a call, which says whether his actor has kept its state and its ``cpus``."""
    environment = {**environment, "RAY_ADDRESS": address}
    command, pipe = [sys.executable, "-c", _OTHER_USER, str(cpus)], subprocess.PIPE
    with subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "1\n"
            yield lambda: process.communicate("\n", timeout=_END_SECONDS)[0] == "2\n"
        finally:
            process.kill()
