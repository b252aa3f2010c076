"""`completion` and the words that it offers, from the table of commands and their flags."""
