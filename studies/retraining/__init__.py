"""Chosen networks trained again, for the test error: full budget, several seeds, on the images of
training and validation together."""

from skipsearch.studies.results.retrained import Retrained, results, retrained_folder

__all__ = ["Retrained", "results", "retrained_folder"]
