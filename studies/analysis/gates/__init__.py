"""Feature integration: how far each gate's mask follows from the masks of earlier gates."""
