"""Find image classifiers whose shortcuts are learned."""
