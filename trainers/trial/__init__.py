"""One trial in a worker: trained an epoch a step, saved and resumed."""
