"""What went wrong, as an error for the other side."""

from __future__ import annotations

import logging

from live_avatar.errors import UserError

_log = logging.getLogger("live_avatar.worker")
# What torch's allocator for main memory says on Linux and on Windows; it has no exception type of its own.
_NO_MEMORY = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")


def explain(error: Exception) -> UserError:
    """The error to answer with. What the user cannot mend is ``INTERNAL_ERROR``, with the traceback in the log."""
    if isinstance(error, UserError):
        return error
    if _out_of_memory(error):
        _log.error("out of memory: %s", error)
        return UserError(
            "OUT_OF_MEMORY",
            "The memory was not enough.",
            f"The system says: {_first_line(error)}",
            "Choose a smaller size, close other programs, or use another device; finished clips are kept.",
            field="size",
        )
    if _device_lost(error):
        _log.error("card lost: %s", error)
        from live_avatar.fast.out_of_memory import device_lost

        return device_lost(error)
    _log.error("internal error", exc_info=error)
    return UserError(
        "INTERNAL_ERROR",
        "The engine made a mistake.",
        f"{type(error).__name__}: {_first_line(error)}",
        "The engine's log has the details; finished clips are kept. Please report it.",
    )


def busy(doing: str) -> UserError:
    """One thing at a time."""
    return UserError(
        "WORKER_BUSY",
        "The worker is busy.",
        f"It is {doing}, and does one thing at a time.",
        "Wait for that to end, or cancel it.",
    )


def not_loaded() -> UserError:
    """A render needs weights."""
    return UserError(
        "WORKER_NOT_LOADED",
        "No model is loaded.",
        "A render uses the weights that the last load left in memory.",
        "Load a model first.",
    )


def stopping() -> UserError:
    """The worker ends."""
    return UserError(
        "WORKER_STOPPING",
        "The worker is ending.",
        "It was asked to shut down, or its input has ended.",
        "Start another worker.",
    )


def job_not_running(job_id: str) -> UserError:
    """Nothing to cancel."""
    return UserError(
        "JOB_NOT_RUNNING",
        f'The job "{job_id}" is not running.',
        "It never started, or has ended already.",
        "Look at the last message about it.",
        field="job_id",
    )


def torch_unusable(error: Exception) -> UserError:
    """The environment is broken."""
    _log.error("torch cannot be imported", exc_info=error)
    return UserError(
        "ENGINE_NOT_USABLE",
        "The engine's libraries cannot be used.",
        f"{type(error).__name__}: {_first_line(error)}",
        "Repair or reinstall the Python environment.",
    )


def _device_lost(error: Exception) -> bool:
    if not isinstance(error, RuntimeError):
        return False
    from live_avatar.fast.out_of_memory import fault_of

    return fault_of(error) == "lost"


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    import torch

    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in _NO_MEMORY)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "no further words")
