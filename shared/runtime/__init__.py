"""The one shell around every core: engine (pure), host (I/O), settings, log, metrics."""
