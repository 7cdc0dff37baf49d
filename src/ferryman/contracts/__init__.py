"""What roles say to each other: frozen messages and the ports that carry them.

A role imports this package and never another role. Every message is named as the specification names the
function; unknown fields of a peer are ignored, an unknown version is refused.
"""
