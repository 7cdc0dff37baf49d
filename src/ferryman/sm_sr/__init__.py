"""SM-SR: the EIS of every eUICC, its policy, and the carrying of commands to it (SGP.02 2.2.1.4)."""
