"""The page of a study, `front.html`."""

from studies.page.document import page
from studies.page.importances import Importances

__all__ = ["Importances", "page"]
