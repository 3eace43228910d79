"""Helpers that tests share: small studies, tabulated trainings, kills, random architectures."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # of the repository
