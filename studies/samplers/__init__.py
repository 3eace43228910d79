"""Samplers propose what to train next."""
