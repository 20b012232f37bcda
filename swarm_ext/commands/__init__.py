"""The groups of the `swarm-ext` command, one module each; `cli` imports the one that is asked for."""
