"""The commands of `spaces` that talk to a gateway, as any client does: over HTTP, with an API key."""
