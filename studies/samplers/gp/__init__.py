"""The Gaussian-process sampler: surrogates of error and cost, and the search for what improves."""
