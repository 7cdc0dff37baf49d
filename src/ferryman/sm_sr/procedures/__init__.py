"""Pure step functions of the SM-SR: no clock, no socket, no database, no key."""
