"""One file per strategy. A strategy imports only `services.strategy_engine.api`."""
