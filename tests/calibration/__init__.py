"""What the estimators are worth, by simulation: `make calibration`. Results: results/calibration/."""
