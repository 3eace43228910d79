"""What a driver hands to its executor."""

from collections.abc import Callable
from dataclasses import dataclass

from skipsearch.studies.sharing import Sharing
from skipsearch.trainers.trial.job import Begin


@dataclass
class Work:
    """The training of trials. `begin` and `measure` hold the images; an executor that has them
    elsewhere deletes both, so whoever hands this on keeps no images of his own."""

    begin: Begin
    size: int  # of the images, in bytes
    measure: Callable[[Sharing], None] | None = None  # finds out how many trials share a GPU
