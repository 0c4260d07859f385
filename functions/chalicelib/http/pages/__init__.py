"""The pages for people: self-contained HTML under a strict Content-Security-Policy, without any outside asset."""
