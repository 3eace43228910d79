"""A study in optuna-dashboard: what the driver leaves there for it, and the server."""
