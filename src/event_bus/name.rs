//! The name or ARN of an event bus, which also says which kind it is.

use regex_lite::Regex;

/// Only the ARN of a Custom Event Bus contains this.
const CUSTOM_ARN_TYPE: &str = ":event-busv2/";

/// EventBridge's pattern for the ARN of a Custom Event Bus. AWS generates its last part.
const CUSTOM_ARN_PATTERN: &str = concat!(
    r"^arn:aws(-[a-z0-9]+)*:events:[a-z][a-z0-9]*(-[a-z0-9]+)*:[0-9]{12}:",
    r"event-busv2/[A-Za-z0-9][._A-Za-z0-9-]{0,255}/[a-z0-9]{25}$",
);

/// EventBridge's limit for the ARN of a Custom Event Bus, in characters.
const MAX_CUSTOM_ARN_CHARS: usize = 1_011;

/// EventBridge's limit for a Classic bus given by ARN, in characters.
const MAX_CLASSIC_CHARS: usize = 1_600;

/// The name or ARN of an event bus, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventBusName {
    /// The name or ARN of the default bus or of one that EventBridge now calls *Classic*.
    Classic(String),
    /// The ARN of a Custom Event Bus, of the API EventBridgeV2.
    Custom(String),
}

impl EventBusName {
    /// `None` if this is neither a name nor an ARN of a bus.
    pub fn parse(text: String) -> Option<Self> {
        if text.contains(CUSTOM_ARN_TYPE) {
            is_custom_arn(&text).then_some(Self::Custom(text))
        } else {
            is_classic(&text).then_some(Self::Classic(text))
        }
    }
}

fn is_custom_arn(text: &str) -> bool {
    text.len() <= MAX_CUSTOM_ARN_CHARS && Regex::new(CUSTOM_ARN_PATTERN).is_ok_and(|pattern| pattern.is_match(text))
}

fn is_classic(text: &str) -> bool {
    text.len() <= MAX_CLASSIC_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:events:eu-west-1:123456789012:event-busv2/orders/abcdefghijklmnopqrstuvwxy";

    fn parse(text: &str) -> Option<EventBusName> {
        EventBusName::parse(text.to_owned())
    }

    #[test]
    fn a_name_and_an_arn_of_a_classic_bus_are_recognized() {
        for name in [
            "default",
            "orders",
            "aws.partner/x.com/1",
            "arn:aws:events:eu-west-1:123456789012:event-bus/orders",
            &"x".repeat(1_600),
        ] {
            assert_eq!(parse(name), Some(EventBusName::Classic(name.to_owned())));
        }
    }

    #[test]
    fn what_no_bus_can_be_called_is_refused() {
        for name in ["a bus", "büs", "a\nb", &"x".repeat(1_601)] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_arn_of_a_custom_event_bus_is_recognized() {
        for arn in [
            ARN,
            &ARN.replace("aws:", "aws-us-gov:").replace("eu-west-1", "us-gov-west-1"),
            &ARN.replace("orders", "O.r-d_9"),
            &ARN.replace("orders", &"o".repeat(256)),
        ] {
            assert_eq!(parse(arn), Some(EventBusName::Custom(arn.to_owned())));
        }
    }

    #[test]
    fn what_only_resembles_that_arn_is_refused() {
        for text in [
            &ARN.replace("events", "sqs"),
            &ARN.replace("arn:", "urn:"),
            &ARN.replace("aws:", "aws-:"),
            &ARN.replace("aws:", "aws--x:"),
            &ARN.replace("aws:", "amazon:"),
            &ARN.replace("eu-west-1", "1-west"),
            &ARN.replace("eu-west-1", ""),
            &ARN.replace("eu-west-1", "EU-west-1"),
            &ARN.replace("123456789012", "12345678901"),
            &ARN.replace("123456789012", "12345678901x"),
            &ARN.replace("orders", ""),
            &ARN.replace("orders", "-orders"),
            &ARN.replace("orders", "ord ers"),
            &ARN.replace("orders", &"o".repeat(257)),
            &ARN.replace("wxy", "wx"),
            &ARN.replace("wxy", "wxyz"),
            &ARN.replace("wxy", "WXY"),
            &ARN.replace("123456789012:", "123456789012/"),
            &ARN.replace("/orders", ":orders"),
            &ARN.replace("orders/", "orders:"),
            &format!("{ARN}/more"),
            &format!("{ARN} "),
            ":event-busv2/",
        ] {
            assert!(!is_custom_arn(text), "{text}");
        }
    }
}
