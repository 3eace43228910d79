"""The parts that all pages share: axes, assets, style."""
