output "function_url" {
  description = "URL of the endpoint, the function URL or the HTTP API. Enter it in the Momento console as the destination of the webhook."
  value       = aws_cloudformation_stack.momento_eventbridge.outputs["FunctionUrl"]
}

output "domain_name_target" {
  description = "Target of the DNS record for DomainName. Create a CNAME record, or in Route 53 an alias record of type A."
  value       = lookup(aws_cloudformation_stack.momento_eventbridge.outputs, "DomainNameTarget", null)
}

output "domain_name_hosted_zone_id" {
  description = "Hosted zone ID of DomainNameTarget, for an alias record in Route 53."
  value       = lookup(aws_cloudformation_stack.momento_eventbridge.outputs, "DomainNameHostedZoneId", null)
}

output "secret_id" {
  description = "Secret in Secrets Manager that holds the signing secret of the webhook."
  value       = aws_cloudformation_stack.momento_eventbridge.outputs["SecretId"]
}

output "webhook_function_name" {
  description = "Function that receives the webhooks."
  value       = aws_cloudformation_stack.momento_eventbridge.outputs["WebhookFunctionName"]
}

output "redrive_function_name" {
  description = "Function that puts events from the retry queue on the bus."
  value       = aws_cloudformation_stack.momento_eventbridge.outputs["RedriveFunctionName"]
}

output "retry_queue_url" {
  description = "Retry queue, for events that the bus did not accept or that could not be verified."
  value       = aws_cloudformation_stack.momento_eventbridge.outputs["RetryQueueUrl"]
}

output "dead_letter_queue_url" {
  description = "Dead-letter queue, for events that could not be delivered for an hour. Start DLQ redrive moves them back to the retry queue."
  value       = aws_cloudformation_stack.momento_eventbridge.outputs["DeadLetterQueueUrl"]
}

output "webhook_log_group" {
  description = "Log group of the webhook function, with one record per request."
  value       = aws_cloudformation_stack.momento_eventbridge.outputs["WebhookLogGroup"]
}

output "http_api_log_group" {
  description = "Access log of the HTTP API, with one record per request, also for requests that do not reach the function."
  value       = lookup(aws_cloudformation_stack.momento_eventbridge.outputs, "HttpApiLogGroup", null)
}

output "redrive_log_group" {
  description = "Log group of the redrive function, with one record per message."
  value       = aws_cloudformation_stack.momento_eventbridge.outputs["RedriveLogGroup"]
}

output "event_log_group" {
  description = "Log group with every event from Momento that reached the bus."
  value       = lookup(aws_cloudformation_stack.momento_eventbridge.outputs, "EventLogGroup", null)
}

output "dashboard_url" {
  description = "CloudWatch dashboard of this stack."
  value       = lookup(aws_cloudformation_stack.momento_eventbridge.outputs, "DashboardUrl", null)
}
