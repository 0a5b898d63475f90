"""Data: DDXPlus as published, the project's own split, evidence stages, cases from elsewhere."""
