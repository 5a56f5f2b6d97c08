//! Common mistakes in a stored secret: characters at its ends that do not belong to it.

use std::fmt;

/// A kind of character that a copied secret often has at one of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrayCharacter {
    /// A space, a tab or a line break.
    WhiteSpace,
    /// A quotation mark, straight or curved.
    QuotationMark,
    /// U+FEFF, which some editors write at the start of a file.
    ByteOrderMark,
    /// A no-break space, which web pages and word processors use.
    NonBreakingSpace,
    /// A zero-width character, which web pages use.
    ZeroWidthSpace,
}

impl StrayCharacter {
    const ALL: [Self; 5] =
        [Self::WhiteSpace, Self::QuotationMark, Self::ByteOrderMark, Self::NonBreakingSpace, Self::ZeroWidthSpace];

    fn of(character: char) -> Option<Self> {
        Self::ALL.into_iter().find(|stray| stray.includes(character))
    }

    fn includes(self, character: char) -> bool {
        match self {
            Self::WhiteSpace => character.is_ascii_whitespace(),
            Self::QuotationMark => matches!(character, '"' | '\'' | '`' | '“' | '”' | '‘' | '’'),
            Self::ByteOrderMark => character == '\u{feff}',
            Self::NonBreakingSpace => matches!(character, '\u{a0}' | '\u{202f}'),
            Self::ZeroWidthSpace => matches!(character, '\u{200b}'..='\u{200d}' | '\u{2060}'),
        }
    }
}

impl fmt::Display for StrayCharacter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::WhiteSpace => "white space",
            Self::QuotationMark => "quotation marks",
            Self::ByteOrderMark => "byte order mark",
            Self::NonBreakingSpace => "non-breaking space",
            Self::ZeroWidthSpace => "zero-width space",
        })
    }
}

/// The stray character without which this secret makes the signature: one kind at either end, or all kinds.
/// `matches` returns whether these bytes made the signature.
pub(super) fn stray_character(secret: &[u8], matches: impl Fn(&[u8]) -> bool) -> Option<StrayCharacter> {
    let text = std::str::from_utf8(secret).ok()?;
    let (first, last) = (text.chars().next()?, text.chars().next_back()?);
    let outermost = StrayCharacter::of(first).or(StrayCharacter::of(last))?;
    let matches_without = |trimmed: &str| !trimmed.is_empty() && trimmed != text && matches(trimmed.as_bytes());
    let alone = StrayCharacter::ALL.into_iter();
    let mut alone = alone.filter(|stray| matches_without(text.trim_matches(|character| stray.includes(character))));
    let without_all = || text.trim_matches(|character| StrayCharacter::of(character).is_some());
    alone.next().or_else(|| matches_without(without_all()).then_some(outermost))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(stored: &str, signed_by: &str) -> Option<StrayCharacter> {
        stray_character(stored.as_bytes(), |secret| secret == signed_by.as_bytes())
    }

    #[test]
    fn each_stray_character_is_found_at_either_end() {
        for (stray, characters) in [
            (StrayCharacter::WhiteSpace, &[" ", "\n", "\r\n", "\t "][..]),
            (StrayCharacter::QuotationMark, &["\"", "'", "`", "“", "”", "‘", "’"]),
            (StrayCharacter::ByteOrderMark, &["\u{feff}"]),
            (StrayCharacter::NonBreakingSpace, &["\u{a0}", "\u{202f}"]),
            (StrayCharacter::ZeroWidthSpace, &["\u{200b}", "\u{200c}", "\u{200d}", "\u{2060}"]),
        ] {
            for text in characters {
                for stored in [format!("{text}whsec"), format!("whsec{text}"), format!("{text}whsec{text}")] {
                    assert_eq!(found(&stored, "whsec"), Some(stray), "{stored:?}");
                }
            }
        }
    }

    #[test]
    fn several_kinds_at_once_are_found_and_the_outermost_is_named() {
        assert_eq!(found("\u{feff}\"whsec\"\n", "whsec"), Some(StrayCharacter::ByteOrderMark));
        assert_eq!(found("\"whsec\"\n", "whsec"), Some(StrayCharacter::QuotationMark));
    }

    #[test]
    fn a_kind_that_belongs_to_the_secret_is_left_on_it() {
        assert_eq!(found("'whsec'\n", "'whsec'"), Some(StrayCharacter::WhiteSpace));
    }

    #[test]
    fn a_secret_without_one_or_made_of_nothing_else_or_that_does_not_match_has_none() {
        for (stored, signed_by) in [("whsec", "whsec"), ("whsec\n", "other"), ("\"\"", ""), ("", ""), ("a b", "ab")] {
            assert_eq!(found(stored, signed_by), None, "{stored:?}");
        }
        assert_eq!(stray_character(b"\xffwhsec\n", |_| true), None);
    }
}
