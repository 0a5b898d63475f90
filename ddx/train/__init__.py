"""What `ddx train` runs."""
