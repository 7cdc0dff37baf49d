"""One module per group of rows; `bench.registry` names them."""
