"""The GSMA interfaces ES1, ES2, ES3, ES4 and ES7 in SOAP: a role for the outside edge (SGP.02 Annex B)."""
