"""Who shows a study while it runs."""

from typing import Protocol

from skipsearch.studies.storage.store import Store


class Observer(Protocol):
    """Who shows a study while it runs; called from the driver, never at the same time."""

    def started(self, store: Store) -> None: ...
    def changed(self, store: Store) -> None: ...
    def finished(self, store: Store) -> None: ...
