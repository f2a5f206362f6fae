"""What PostgreSQL keeps: the user's orders, and our log, holds and cycles."""
