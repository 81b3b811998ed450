"""Strategy engine: lets one strategy see the market and turns what it wants into intents."""
