"""A study in optuna-dashboard: the notes and figures that the driver stores, and the server."""
