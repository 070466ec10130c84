"""Runs Vercel's own tools on this machine: the CLI, its build, its runtime."""
