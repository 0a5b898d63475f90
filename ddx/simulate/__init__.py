"""A clinic whose patients are drawn from a known model, so that the best possible differential can be computed."""
