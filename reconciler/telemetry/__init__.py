"""What is told to people and dashboards: metrics and logs."""
