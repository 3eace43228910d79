"""The record of a study: an Optuna storage, opened, written and found again."""
