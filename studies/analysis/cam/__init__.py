"""Grad-CAM: heat maps of the image regions that speak for a class."""
