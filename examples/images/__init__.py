"""An agent that makes pictures smaller: a file in, progress, a file out."""
