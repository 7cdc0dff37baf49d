"""The operator's own OTA platform: ES6 to the enabled Profile, beside SM-DP and SM-SR (SGP.02 3.12, 3.13)."""
