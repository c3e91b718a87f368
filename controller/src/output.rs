//! How answers look: one file a format.

pub mod human;
pub mod json;
pub mod table;

use serde::Serialize;

/// An answer that can be shown.
pub trait Show: Serialize {
    /// The name and version of its JSON form.
    const SCHEMA: &'static str;

    /// For eyes, with a newline at the end.
    fn table(&self, host: &str) -> String;
}
