"""What the pages share: words, looks, state, the model, and the views."""
