"""The market data ingestor: from the feed to numbered trades, bars, marks and a feed status."""
