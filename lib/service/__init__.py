"""The use cases, one method each; what they need is passed in."""
