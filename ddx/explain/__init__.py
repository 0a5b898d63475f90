"""Evidence for and against each diagnosis: what the model's own answer loses when a part of the case is taken away."""
