//! The badge: how many keys are at the table.

/// A picture of the number, in the flat form that badges have everywhere.
pub fn svg(keys: usize) -> String {
    let number = keys.to_string();
    let right = 12 + 7 * number.len();
    let (left, middle) = (46, 46 + right / 2);
    let width = left + right;
    let colour = if keys > 0 { "#2f855a" } else { "#718096" };
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="keys: {number}"><title>keys: {number}</title><rect width="{width}" height="20" rx="3" fill="{colour}"/><path d="M3 0h{bar}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#4a5568"/><g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11"><text x="23" y="14">keys</text><text x="{middle}" y="14">{number}</text></g></svg>
"##,
        bar = left - 3,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_badge_says_the_number() {
        for keys in [0, 7, 12_345] {
            assert!(svg(keys).contains(&format!(">{keys}</text>")));
        }
    }
}
