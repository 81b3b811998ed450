"""Library code that every compartment may use: kernel, journal, bus, runtime, markets, feeds, venue, brokers."""
