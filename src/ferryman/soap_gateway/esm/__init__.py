"""Messages of the off-card interfaces as bytes: SGP.02 Annexes A and B, without sockets and clocks."""
