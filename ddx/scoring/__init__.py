"""Batch scoring: a table of cases in, the same table with a differential or a reason in every row out."""
