"""HTTP: requests, responses, problems, cursors, models, and the files of chalicelib/web. Knows no adapter."""
