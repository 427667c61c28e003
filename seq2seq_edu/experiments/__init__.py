"""Named experiments: recipes give data and settings, runs train in a folder, records are in results/."""

__all__ = ["recipes", "records", "runs", "scoring"]
