"""Library code that every compartment may use; README.md has one line for each package."""
