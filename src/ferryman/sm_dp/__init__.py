"""SM-DP: templates, subscriptions, orders, and the download of a profile to an ISD-P (SGP.02 2.2.1.3)."""
