"""One folder per process. No service imports another; lab and cli sit on top and are no daemons."""
