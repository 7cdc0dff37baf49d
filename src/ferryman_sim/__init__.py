"""Simulated eUICC, SMSC, HLR and card maker: a second, independent implementation."""
