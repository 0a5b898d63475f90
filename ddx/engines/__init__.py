"""Engines: text in, text and token ids out. Nothing clinical lives here."""
