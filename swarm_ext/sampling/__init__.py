"""What the sampler is made of: the wire of cAdvisor and what its values mean, and the polling of one node."""
