"""What tells us that the symbols or the configuration have changed: files (watchdog) and kernel uevents (pyroute2)."""
