"""Samplers that propose the next configuration to train."""
