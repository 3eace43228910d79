"""The page of a study, `front.html`."""

from skipsearch.studies.page.importance_figure import Importances
from skipsearch.studies.page.page import page

__all__ = ["Importances", "page"]
