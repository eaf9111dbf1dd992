"""What runs around the runs: Prefect server, worker, inbox watcher, alerts and systemd units."""
