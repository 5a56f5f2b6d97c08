variable "name" {
  description = "Name of the CloudFormation stack."
  type        = string
  default     = "momento-eventbridge"
}

variable "template_url" {
  description = "URL of the template of a release, in a bucket of this Region."
  type        = string

  validation {
    condition     = can(regex("^https://[^/]+/.+\\.yaml$", var.template_url))
    error_message = "template_url must be the https URL of a template.yaml in an S3 bucket."
  }
}

variable "tags" {
  description = "Tags of the stack and of its resources."
  type        = map(string)
  default     = {}
}

variable "event_bridge_bus" {
  description = "Name or ARN of the event bus, or ARN of a Custom Event Bus. It must exist in this Region."
  type        = string
  default     = "default"
}

variable "momento_secret_string" {
  description = "Signing secret of the Momento webhook. It is stored in the state file. Use existing_secret to keep it out."
  type        = string
  default     = ""
  sensitive   = true
}

variable "existing_secret" {
  description = "Name or full ARN of a secret in Secrets Manager that holds the signing secret."
  type        = string
  default     = ""
}

variable "existing_secret_key_arn" {
  description = "ARN of the customer managed KMS key of the existing secret."
  type        = string
  default     = ""
}

variable "endpoint" {
  description = "FunctionUrl, or HttpApi for an API Gateway HTTP API."
  type        = string
  default     = "FunctionUrl"

  validation {
    condition     = contains(["FunctionUrl", "HttpApi"], var.endpoint)
    error_message = "endpoint must be one of FunctionUrl, HttpApi."
  }
}

variable "throttling_rate_limit" {
  description = "Requests per second that the HTTP API accepts. 0 is an account's default quota, 10,000. A throttled event is lost."
  type        = number
  default     = 0
}

variable "throttling_burst_limit" {
  description = "Burst of requests that the HTTP API accepts. Set it together with the rate. 0 is an account's default quota, 5,000."
  type        = number
  default     = 0
}

variable "domain_name" {
  description = "Custom domain name of the HTTP API."
  type        = string
  default     = ""
}

variable "certificate_arn" {
  description = "ARN of the ACM certificate for the custom domain name, in this Region."
  type        = string
  default     = ""
}

variable "archive_days" {
  description = "Days that EventBridge keeps the events for replay. 0 keeps them indefinitely."
  type        = number
  default     = 14
}

variable "log_days" {
  description = "Days that CloudWatch Logs keeps the logs."
  type        = number
  default     = 30
}

variable "event_log" {
  description = "Whether to write every event, with its payload, to a log group."
  type        = bool
  default     = false
}

variable "keep_dead_letters" {
  description = "Whether the dead-letter queue is kept when the stack is deleted."
  type        = bool
  default     = false
}

variable "alarm_email" {
  description = "Email address that receives the alarms."
  type        = string
  default     = ""
}

variable "alarm_topic_arn" {
  description = "ARN of an SNS topic that receives the alarms."
  type        = string
  default     = ""
}

variable "forged_threshold" {
  description = "Requests within 5 minutes whose well-formed signature matches no signing secret that raise an alarm."
  type        = number
  default     = 20
}

variable "no_event_minutes" {
  description = "Minutes without an event that raise an alarm. 0 creates no alarm."
  type        = number
  default     = 0
}

variable "dashboard" {
  description = "Whether to create a dashboard."
  type        = bool
  default     = true
}

variable "max_event_age_seconds" {
  description = "Maximum difference between an event's timestamp and the current time."
  type        = number
  default     = 60
}

variable "previous_secret_seconds" {
  description = "How long the previous signing secret is accepted after a change."
  type        = number
  default     = 86400
}

variable "architecture" {
  description = "arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be one of arm64, x86_64."
  }
}

variable "log_level" {
  description = "DEBUG, INFO, WARN or ERROR."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.log_level)
    error_message = "log_level must be one of DEBUG, INFO, WARN, ERROR."
  }
}

variable "tracing" {
  description = "Active or PassThrough."
  type        = string
  default     = "Active"

  validation {
    condition     = contains(["Active", "PassThrough"], var.tracing)
    error_message = "tracing must be one of Active, PassThrough."
  }
}

variable "reserved_concurrency" {
  description = "Concurrent requests that are reserved for the webhook function, and its maximum. 0 reserves none."
  type        = number
  default     = 0
}

variable "permissions_boundary_arn" {
  description = "ARN of the permissions boundary of the roles."
  type        = string
  default     = ""
}

variable "role_path" {
  description = "Path of the roles, such as /integration/."
  type        = string
  default     = ""
}

variable "kms_key_arn" {
  description = "ARN of the KMS key of the queues, logs, archive, alarm topic and stored signing secret."
  type        = string
  default     = ""
}
