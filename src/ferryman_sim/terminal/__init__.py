"""The devices round the simulated cards: network attach, short messages, HTTPS sessions, power, control."""
