"""Logs, metrics and the health verdict."""
