"""What is lost without a part of a trained network, and what is saved."""
