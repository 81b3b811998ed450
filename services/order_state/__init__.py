"""The position manager: the one ledger of orders, fills, positions and P&L."""
