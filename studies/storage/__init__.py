"""Open, write and find the record of a study, which is an Optuna storage."""
