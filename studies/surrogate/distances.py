"""Distances between the trials of a study, each computed once."""

import numpy as np

from skipsearch.studies.surrogate.embedding import Embedding, Place, apart

ROOM = 64  # trials at first; it doubles


class Distances:
    """The vectors of trials, by number, and the squared distances between them."""

    def __init__(self) -> None:
        self.embedding = Embedding()
        self._at: dict[int, int] = {}
        self._table = np.zeros((ROOM, 0), np.float32)
        self._apart = np.zeros((ROOM, ROOM))

    def __contains__(self, number: int) -> bool:
        return number in self._at

    def add(self, number: int, place: Place) -> None:
        """Enter a trial."""
        vector, count = self.embedding([place]), len(self._at)
        self._grow(vector.shape[1], count + 1)
        self._table[count, : vector.shape[1]] = vector[0]
        row = apart(vector, self._table[: count + 1])[0]
        self._apart[count, : count + 1] = self._apart[: count + 1, count] = row
        self._at[number] = count

    def between(self, numbers: list[int]) -> np.ndarray:
        """Return the distances (N, N) between trials."""
        rows = [self._at[number] for number in numbers]
        found: np.ndarray = self._apart[np.ix_(rows, rows)]
        return found

    def to(self, vectors: np.ndarray, numbers: list[int]) -> np.ndarray:
        """Return the distances (M, N) from vectors to trials."""
        return apart(vectors, self.table(numbers)).astype(float)

    def table(self, numbers: list[int]) -> np.ndarray:
        """Return the vectors (N, columns) of trials."""
        return self._table[[self._at[number] for number in numbers]]

    def _grow(self, columns: int, rows: int) -> None:
        wide = max(0, columns - self._table.shape[1])
        high = len(self._table) if rows > len(self._table) else 0
        self._table = np.pad(self._table, ((0, high), (0, wide)))
        if high:
            self._apart = np.pad(self._apart, (0, high))
