"""Evaluation: the shipped model, its baselines, and what the figures are worth."""
