//! Unit tests of [`WebhookConfig`] and [`RedriveConfig`].

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<WebhookConfig, ConfigError> {
    let lookup = |name: &str| {
        let found = variables.iter().find(|(variable, value)| *variable == name && !value.is_empty());
        Ok(found.map(|(_, value)| (*value).to_owned()))
    };
    WebhookConfig::read(&lookup)
}

const SECRET: (&str, &str) = ("SIGNING_SECRET", "whsec-local");

#[test]
fn a_secret_alone_is_a_configuration_and_the_rest_has_defaults() {
    let config = read(&[SECRET, ("EVENT_BUS_NAME", ""), ("MAX_EVENT_AGE_SECONDS", "")]).unwrap();
    assert_eq!(config.event_bus_name, EventBusName::Classic("default".to_owned()));
    assert_eq!(config.retry_queue_url, None);
    assert_eq!(config.authenticity.max_event_age, Duration::from_secs(60));
    assert_eq!(config.authenticity.previous_secret, Duration::from_secs(86_400));
}

#[test]
fn neither_and_both_sources_of_the_secret_are_refused() {
    for variables in [&[][..], &[SECRET, ("SIGNING_SECRET_ID", "momento")], &[("SIGNING_SECRET", "")]] {
        assert_eq!(read(variables).unwrap_err(), ConfigError::SecretSource);
    }
}

#[test]
fn an_invalid_value_is_refused_in_a_sentence_that_names_the_variable() {
    for (variable, values) in [
        ("MAX_EVENT_AGE_SECONDS", &["0", "86401", "-1", "+5", "1.5", "a minute", " 60"][..]),
        ("PREVIOUS_SECRET_SECONDS", &["-1", "1e3", "a day", "99999999999999999999"]),
        ("RETRY_QUEUE_URL", &["queue", "https://", "sqs://x", "http://a b"]),
        ("EVENT_BUS_NAME", &["a bus", "büs", "a\nb"]),
        ("SIGNING_SECRET", &["[]", r#"[""]"#, "{}", "{x", "[1,"]),
    ] {
        for value in values {
            let error = match variable {
                "SIGNING_SECRET" => read(&[(variable, value)]),
                _ => read(&[SECRET, (variable, value)]),
            };
            let sentence = error.expect_err(value).to_string();
            assert!(sentence.contains(variable) && sentence.ends_with('.'), "{sentence}");
        }
    }
}

#[test]
fn the_ends_of_each_range_are_accepted() {
    for (max_age, previous) in [("1", "0"), ("86400", "99999999999")] {
        let config = read(&[
            ("SIGNING_SECRET_ID", "momento"),
            ("RETRY_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/retry"),
            ("MAX_EVENT_AGE_SECONDS", max_age),
            ("PREVIOUS_SECRET_SECONDS", previous),
        ]);
        let config = config.unwrap();
        assert!(matches!(config.authenticity.secret, SecretSource::SecretsManager(id) if id == "momento"));
        assert_eq!(config.retry_queue_url.as_deref(), Some("https://sqs.eu-west-1.amazonaws.com/1/retry"));
        assert_eq!(config.authenticity.max_event_age.as_secs().to_string(), max_age);
        assert_eq!(config.authenticity.previous_secret.as_secs().to_string(), previous);
    }
}

#[test]
fn the_message_about_a_number_out_of_range_names_the_range() {
    for (variable, range) in
        [("MAX_EVENT_AGE_SECONDS", " from 1 to 86400."), ("PREVIOUS_SECRET_SECONDS", ", 0 or more.")]
    {
        let sentence = read(&[SECRET, (variable, "-1")]).unwrap_err().to_string();
        assert_eq!(sentence, format!("{variable} must be a whole number of seconds{range}"));
    }
}

#[test]
fn redrive_needs_no_secret_and_uses_one_if_it_is_set() {
    let read = |variables: &[(&str, &str)]| {
        let lookup = |name: &str| {
            Ok(variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned()))
        };
        RedriveConfig::read(&lookup)
    };
    assert!(read(&[]).unwrap().authenticity.is_none());
    let authenticity =
        read(&[("SIGNING_SECRET_ID", "momento"), ("MAX_EVENT_AGE_SECONDS", "5")]).unwrap().authenticity.unwrap();
    assert_eq!(authenticity.max_event_age, Duration::from_secs(5));
    assert_eq!(read(&[SECRET, ("SIGNING_SECRET_ID", "momento")]).unwrap_err(), ConfigError::SecretSource);
    assert!(read(&[("SIGNING_SECRET", "[]")]).is_err());
}

#[test]
fn names_and_arns_of_buses_are_accepted() {
    let classic: fn(String) -> EventBusName = EventBusName::Classic;
    for (bus, kind) in [
        ("orders", classic),
        ("aws.partner/x.com/1", classic),
        ("arn:aws:events:eu-west-1:123456789012:event-bus/orders", classic),
        ("arn:aws:events:eu-west-1:123456789012:event-busv2/orders/abcdefghijklmnopqrstuvwxy", EventBusName::Custom),
    ] {
        assert_eq!(read(&[SECRET, ("EVENT_BUS_NAME", bus)]).unwrap().event_bus_name, kind(bus.to_owned()));
    }
}

#[test]
fn an_incomplete_arn_of_a_custom_event_bus_is_invalid() {
    for bus in ["arn:aws:events:eu-west-1:123456789012:event-busv2/orders", ":event-busv2/", "x:event-busv2/orders/1"] {
        assert_eq!(read(&[SECRET, ("EVENT_BUS_NAME", bus)]).unwrap_err(), ConfigError::NotABus, "{bus}");
    }
}
