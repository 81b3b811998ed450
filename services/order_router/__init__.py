"""Layer 4: the order manager and router."""
