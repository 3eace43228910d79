"""One trial in a worker: trained epoch by epoch, saved and resumed."""
