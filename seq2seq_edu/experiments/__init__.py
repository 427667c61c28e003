"""Named experiments: recipes give data and settings, runs train, records are what results/ holds."""

__all__ = ["recipes", "records", "runs"]
