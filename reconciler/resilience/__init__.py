"""What stands between us and a failing exchange: rate budget, retry, circuit breaker."""
