"""The page of a study, `front.html`."""
