"""Calls to operators' own systems about orders that hold (HTTP, signed as Standard Webhooks describe)."""
