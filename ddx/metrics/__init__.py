"""Metrics: per case first (`per_case`), aggregated second (`aggregate`), calibration (`calibration`)."""
