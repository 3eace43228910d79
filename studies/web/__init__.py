"""What all pages share: axes, assets, style."""
