"""The home register of the simulated world: subscriptions, authentication vectors, who is attached."""
