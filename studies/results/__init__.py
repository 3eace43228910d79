"""What a study found: tables, the front, summaries, comparisons."""
