"""One module for each Lambda function: parse the event, call one service, answer. `app.py` imports the one called."""
