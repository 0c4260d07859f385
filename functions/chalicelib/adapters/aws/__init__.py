"""The few calls of AWS that functions make, without the clients of botocore, which take longer to load than to call."""
