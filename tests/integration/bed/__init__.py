"""The test bed: a real swarm of three Docker engines on this machine, real cAdvisors, a real MongoDB-protocol server.

Each host is a network namespace on a bridge of the bed's own; each engine runs in a process and a mount namespace of its
own, too, so that ending its first process ends the whole host, as pulling a plug would. Several beds can be up at once.
`python -m tests.integration.bed` holds one up until Ctrl-C, to try things by hand.
"""
