"""What people see in Slack, as plain Block Kit; no I/O."""
