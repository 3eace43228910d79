"""Load networks with their weights by the names that users give, and evaluate them."""
