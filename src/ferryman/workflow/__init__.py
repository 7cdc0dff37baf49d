"""How an operation travels to a card: what is asked, what a plan may say, and who answers (issue of the operator).

Pure but for `runner` and `child`, which run a deployment's own script outside the main process.
"""
