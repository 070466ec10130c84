"""What the product is about: models, rows, errors, policy, plans. Pure; imports nothing else of ours."""
