"""Protection from a failing exchange, and of it: rate budget, retry, circuit breaker."""
