"""Layer 6: the watchdog and session timer."""
