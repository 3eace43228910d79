"""What a gate takes from the gates before it."""
