"""The use cases, one method each. What they need is passed in."""
