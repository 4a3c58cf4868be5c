//! What a journal says of a start of its job, as TOML: when, and on how many ranks and threads. For the rate of a job seen from outside.

use serde::{Deserialize, Serialize};

/// A job that starts or resumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// UTC, RFC 3339.
    pub started: String,
    pub ranks: usize,
    /// Worker threads of all ranks.
    pub threads: u64,
}

impl Start {
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("its fields are TOML values")
    }

    /// The inverse of [`to_toml`](Self::to_toml); `None` for any other text.
    pub fn from_toml(text: &str) -> Option<Self> {
        toml::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_comes_back() {
        let start = Start { started: "2026-01-02T03:04:05Z".into(), ranks: 3, threads: 12 };
        assert_eq!(Start::from_toml(&start.to_toml()), Some(start));
        assert_eq!(Start::from_toml("started = 5"), None);
    }
}
