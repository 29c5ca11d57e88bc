"""Speed, beside what it is compared with: `make bench`. Ratios are printed, times are never asserted."""
