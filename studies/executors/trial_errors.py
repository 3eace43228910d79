"""What became of a trial that failed, in one line."""

# torch on the GPU and on the CPU, its libraries, Python; Ray ends a worker before the host is full
SIGNS = (
    "OutOfMemoryError",
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "_STATUS_ALLOC_FAILED",
    "MemoryError",
)


class ExecutorError(Exception):
    """Raised by an executor in place of its library's own error; that one, and what the driver's
    code raised, are its causes.
    """


def out_of_memory(error: BaseException | None) -> bool:
    text = f"{type(error).__name__}: {error}"
    return any(sign in text for sign in SIGNS)


def marked(error: BaseException | None, reason: str) -> str:
    return f"out of memory: {reason}" if out_of_memory(error) else reason
