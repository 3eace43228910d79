"""Results of a study: the trial table, the front, summaries, comparisons."""
