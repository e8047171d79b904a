"""What klogd-py costs, and what others cost that do the same: measured side by side on this machine's own /dev/kmsg."""
