"""What we compare with: the bare library calls, the plain standard library, other people's programs."""
