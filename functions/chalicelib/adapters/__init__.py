"""The outside world behind the services' ports: Postgres, SQS, DynamoDB, the WebSocket gateway, logs."""
