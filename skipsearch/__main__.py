"""`python -m skipsearch`: the command `skipsearch`, for environments without it on the path."""

from skipsearch.studies.cli import main

main()
