"""Pure step functions of the SM-DP: no clock, no socket, no database, no key."""
