"""A leaderboard -> one self-contained HTML page."""
