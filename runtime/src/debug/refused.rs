//! What an instruction is that was not executed, for messages.

use metaphrase_arm64::arch::features::FeatSet;
use metaphrase_arm64::decode::{self, Undecoded};

/// Name of the word's row in the decode table, whatever the guest CPU has; `?` if there is none.
pub fn name(word: u32) -> &'static str {
    match decode::row_of(word, FeatSet::ALL) {
        Ok(r) => r.name,
        Err(Undecoded::Unimplemented(name)) => name,
        Err(_) => "?",
    }
}

/// What the word is, and which feature a guest CPU with `feats` lacks for it; empty if nobody knows.
pub fn describe(word: u32, feats: FeatSet) -> String {
    match decode::row_of(word, FeatSet::ALL) {
        Ok(r) if !feats.has(r.feat) => {
            format!(
                "{} of FEAT_{:?}, which this CPU model lacks",
                r.name, r.feat
            )
        }
        Ok(r) => r.name.to_string(),
        Err(Undecoded::Unimplemented(name)) => format!("{name}, which no CPU model has"),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_missing() {
        let pacia = 0xdac1_0020;
        assert_eq!(name(pacia), "PacAut");
        assert!(describe(pacia, FeatSet::V8_0).contains("FEAT_PAUTH"));
        assert_eq!(describe(pacia, FeatSet::IMPLEMENTED), "PacAut");
        assert!(describe(0xd920_0820, FeatSet::V8_0).contains("no CPU model"));
        assert_eq!(describe(0xffff_ffff, FeatSet::V8_0), "");
    }
}
