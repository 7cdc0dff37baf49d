"""Events of a tenant: kept, streamed, and delivered to webhooks."""
