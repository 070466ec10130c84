"""How long these tests wait for anything: a browser that starts on a busy machine takes its time."""

PATIENCE = 180  # seconds
