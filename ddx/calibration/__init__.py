"""Calibration: `calibrator` maps stated to calibrated confidence, `fitting` learns, `reliability` shows."""
