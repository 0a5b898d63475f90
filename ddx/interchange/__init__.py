"""A review for others: FHIR R4 for a record system, a CDS Hooks card, and a page to read or print."""
