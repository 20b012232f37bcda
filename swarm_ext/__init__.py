"""swarm-ext: an elasticity test bench for Docker Swarm services, built on Locust."""

__version__ = "0.1.0"
