#!/bin/sh
# Runs inside LocalStack once it is ready: says early, and in one sentence, what the stack would miss.
set -eu
for check in "apigatewayv2 get-apis" "lambda list-functions" "cloudformation list-stacks" "sqs list-queues" "dynamodb list-tables"; do
  # shellcheck disable=SC2086 # a service and its call
  if ! reason=$(awslocal $check 2>&1 >/dev/null); then
    echo "order-engine: LocalStack refuses 'awslocal $check': the licence behind LOCALSTACK_AUTH_TOKEN may not cover it. $reason" >&2
    exit 1
  fi
done
echo "order-engine: LocalStack has every service that the stack needs."
