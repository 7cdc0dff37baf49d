"""`ferryman --server URL`: commands that ask a platform elsewhere, over its REST API."""
