"""What is deployed: zips of our sources, locked wheels, certificates, the template as CloudFormation gets it."""
