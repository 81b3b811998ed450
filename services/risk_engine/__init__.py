"""The risk engine: decides every intent against hard limits and holds the reservations."""
