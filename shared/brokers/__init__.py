"""Broker sessions. Only the order router and the watchdog hold one, each its own."""
