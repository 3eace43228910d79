"""The Gaussian-process sampler: surrogates of error and costs, acquisition, and its search."""
