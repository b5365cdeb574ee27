//! Styles and scripts.

/// A file beside the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Where it is asked for.
    pub path: &'static str,
    /// Its `content-type`.
    pub kind: &'static str,
    /// What it is.
    pub text: &'static str,
}

/// All of them.
pub const ASSETS: [Asset; 2] = [
    Asset {
        path: "/pool/assets/table.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("../assets/table.css"),
    },
    Asset {
        path: "/pool/assets/table.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("../assets/table.js"),
    },
];

/// The file at a path.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}
