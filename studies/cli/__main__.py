"""`python -m studies.cli`, where the command is not installed."""

from skipsearch.studies.cli import main

main()
