"""Executors train jobs: one after another in this process, or in parallel on Ray."""
