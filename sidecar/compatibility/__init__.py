"""Pure rules: (contract, catalog) → findings. ``registry`` lists them, ``codes`` lists what they can find."""
