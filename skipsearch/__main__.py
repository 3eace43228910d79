"""`python -m skipsearch`: the command, where it is not on the path."""

from skipsearch.studies.cli import main

main()
