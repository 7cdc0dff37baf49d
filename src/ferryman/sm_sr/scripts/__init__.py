"""A deployment's transport script: kept by version, run in a process of its own, asked through the engine."""
