"""What goes on without Locust and its load, as a command of its own: sampling, and the autoscaler as a service."""
