"""Pure words of the domain: ids, money, order states, outputs, errors. No I/O, no clock."""
