"""The benchmark's instruction counts, report and plot. They need no package beyond the standard library."""
