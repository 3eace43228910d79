"""A Ray cluster that others started: where it is, and why it cannot be reached."""

import logging
import os
import socket

import ray
from ray.exceptions import RayError

SECONDS = 10.0  # for a first answer; Ray alone waits minutes for a host that is not there
TOKEN = (
    "a cluster of Ray 2.59 or later may ask for a token: set RAY_AUTH_MODE=token and copy "
    "~/.ray/auth_token of its head node here"
)


def cluster_address(given: str | None) -> str | None:
    """`--address`, or RAY_ADDRESS, which Ray sets inside `ray job submit`; None for a Ray of our
    own on this machine. Raises ValueError where nobody answers."""
    address = given or os.environ.get("RAY_ADDRESS")
    if not address or address == "local":
        return None
    if address != "auto":
        _require_answer(f"Ray cluster {address}", address)
    return address


def connect(address: str) -> None:
    """Raises ValueError in one line."""
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"Ray cluster {address} cannot be joined: {reason}; {TOKEN}") from error


def _require_answer(where: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ValueError(
            f"{where} must be auto or HOST:PORT, such as 10.0.0.5:6379 (`ray status` on its head "
            "node tells it)"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"{where} does not answer: {reason}: start it there with `ray start --head`"
        ) from error
