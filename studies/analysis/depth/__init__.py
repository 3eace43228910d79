"""Depth attention: the weight with which each block reads each earlier output."""
