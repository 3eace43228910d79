"""From an `Arch` to a network: the plan of its modules, and what it costs."""
