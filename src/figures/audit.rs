//! The pictures of an audit.

use super::Picture;
use crate::audit::run::Audit;

/// All pictures of `audit`.
pub fn draw(_audit: &Audit) -> Vec<Picture> {
    Vec::new()
}
