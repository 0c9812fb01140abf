"""The search for the recipe that ships: what was tried, by case, and what came of it."""
