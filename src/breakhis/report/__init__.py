"""Pages and pictures of what was measured: they draw, they never compute a metric."""
