//! In whose words a page speaks.

/// A language that pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Chinese, in simplified characters.
    Chinese,
}

impl Language {
    /// As the address says (`?lang=zh`), or else as the browser prefers (`Accept-Language`).
    pub fn of(query: Option<&str>, accepted: Option<&str>) -> Language {
        let pairs = query.unwrap_or_default().split('&');
        let said = pairs.filter_map(|pair| pair.strip_prefix("lang=")).find_map(Language::named);
        said.unwrap_or_else(|| preferred(accepted.unwrap_or_default()))
    }

    fn named(tag: &str) -> Option<Language> {
        let primary = tag.trim().split('-').next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Language::English),
            "zh" => Some(Language::Chinese),
            _ => None,
        }
    }
}

/// The accepted language of the greatest weight that is spoken here; of equals the first.
fn preferred(accepted: &str) -> Language {
    let mut best = (0.0, Language::English);
    for part in accepted.split(',') {
        let (tag, weight) = part.split_once(";q=").unwrap_or((part, "1"));
        let weight: f32 = weight.trim().parse().unwrap_or(0.0);
        if let Some(language) = Language::named(tag).filter(|_| weight > best.0) {
            best = (weight, language);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_wins_over_the_browser_and_english_over_silence() {
        let zh = "zh-CN,zh;q=0.9,en;q=0.8";
        for (query, accepted, expected) in [
            (None, None, Language::English),
            (None, Some(zh), Language::Chinese),
            (Some("lang=en"), Some(zh), Language::English),
            (Some("a=b&lang=zh"), None, Language::Chinese),
            (Some("lang=xx"), Some(zh), Language::Chinese),
            (None, Some("fr,en;q=0.5,zh;q=0.7"), Language::Chinese),
            (None, Some("en,zh"), Language::English),
            (None, Some("*;q=0.1, ,;q=,zh;q=nan"), Language::English),
        ] {
            assert_eq!(Language::of(query, accepted), expected, "{query:?} {accepted:?}");
        }
    }
}
