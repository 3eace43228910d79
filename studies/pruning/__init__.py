"""Rungs, promotion and verdicts: which trial goes on training."""
