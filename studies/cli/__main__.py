"""`python -m studies.cli`, where the command is not installed."""

from studies.cli import main

main()
