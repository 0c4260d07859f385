"""What the functions log, collected and made readable."""
