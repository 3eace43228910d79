"""Describe a trial's error in one line, and recognise errors from a lack of memory."""

# torch on GPU and CPU, its libraries, Python; Ray kills a worker before the host's memory is full
SIGNS = (
    "OutOfMemoryError",
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "_STATUS_ALLOC_FAILED",
    "MemoryError",
)


class ExecutorError(Exception):
    """Raised by an executor in place of its library's error, which is its cause, as is the error
    that the driver's code raised.
    """


def out_of_memory(error: BaseException | None) -> bool:
    """Return True for an error from a lack of memory, judged by its type and text."""
    text = f"{type(error).__name__}: {error}"
    return any(sign in text for sign in SIGNS)


def marked(error: BaseException | None, reason: str) -> str:
    """Prefix the reason of an error with `out of memory: ` if it is one."""
    return f"out of memory: {reason}" if out_of_memory(error) else reason
