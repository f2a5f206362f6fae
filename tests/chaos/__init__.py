"""Fault injection: kills, a schedule of faults, hostile answers, and a recorder of changes."""
