"""The page of a study, `front.html`."""

from skipsearch.studies.page.document import page
from skipsearch.studies.page.importances import Importances

__all__ = ["Importances", "page"]
