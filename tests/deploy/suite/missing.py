"""What keeps us from looking, as opposed to what is found."""


class SchemaMissing(Exception):
    """Schemas cannot be had; the message says whose and why."""
