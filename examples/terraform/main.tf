resource "aws_cloudformation_stack" "momento_eventbridge" {
  name         = var.name
  template_url = var.template_url
  capabilities = ["CAPABILITY_IAM"]
  on_failure   = "DELETE"
  tags         = var.tags

  parameters = merge(
    {
      EventBridgeBus         = var.event_bridge_bus
      ExistingSecret         = var.existing_secret
      ExistingSecretKeyArn   = var.existing_secret_key_arn
      Endpoint               = var.endpoint
      ThrottlingRateLimit    = var.throttling_rate_limit
      ThrottlingBurstLimit   = var.throttling_burst_limit
      DomainName             = var.domain_name
      CertificateArn         = var.certificate_arn
      ArchiveDays            = var.archive_days
      LogDays                = var.log_days
      EventLog               = var.event_log ? "yes" : "no"
      KeepDeadLetters        = var.keep_dead_letters ? "yes" : "no"
      AlarmEmail             = var.alarm_email
      AlarmTopicArn          = var.alarm_topic_arn
      ForgedThreshold        = var.forged_threshold
      NoEventMinutes         = var.no_event_minutes
      Dashboard              = var.dashboard ? "yes" : "no"
      MaxEventAgeSeconds     = var.max_event_age_seconds
      PreviousSecretSeconds  = var.previous_secret_seconds
      Architecture           = var.architecture
      LogLevel               = var.log_level
      Tracing                = var.tracing
      ReservedConcurrency    = var.reserved_concurrency
      PermissionsBoundaryArn = var.permissions_boundary_arn
      RolePath               = var.role_path
      KmsKeyArn              = var.kms_key_arn
    },
    # CloudFormation answers **** for this parameter, so that every plan shows a change. Without it, no plan does.
    nonsensitive(var.momento_secret_string == "") ? {} : { MomentoSecretString = var.momento_secret_string },
  )
}
