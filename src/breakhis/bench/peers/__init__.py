"""What a user would pick instead, as they would write it: nothing here imports the rest of the package."""
