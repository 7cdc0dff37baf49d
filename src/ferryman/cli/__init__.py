"""The `ferryman` command: reads settings, wires roles, starts them; decides nothing."""
