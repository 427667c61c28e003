"""Grading of untrusted notebooks: a judge knows the answers, a worker in a sandbox runs the notebook."""
