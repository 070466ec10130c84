"""Models, rows, errors, policy and plans: pure, no input or output."""
