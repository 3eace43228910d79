"""Networks with their weights, by the name that a user gives."""
