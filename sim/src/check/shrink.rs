//! Makes a failing script short: takes pieces out, large ones first, as long as it still fails.

/// The shortest list found for which `fails` still holds; it must hold for the whole.
pub fn shrink<T: Clone>(mut list: Vec<T>, fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut piece = list.len().div_ceil(2);
    while piece > 0 {
        let (mut at, before) = (0, list.len());
        while at < list.len() {
            let mut shorter = list.clone();
            shorter.drain(at..(at + piece).min(list.len()));
            match fails(&shorter) {
                true => list = shorter,
                false => at += piece,
            }
        }
        // Single steps are tried until none can go.
        if piece > 1 || list.len() == before {
            piece /= 2;
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_taken_out() {
        let list: Vec<u32> = (0..1_000).collect();
        let fails = |list: &[u32]| list.contains(&17) && list.contains(&900);
        assert_eq!(shrink(list, fails), [17, 900]);
    }
}
