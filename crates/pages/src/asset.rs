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

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($kind:ident $name:literal = $file:literal,)*) => {
        /// All of them.
        pub const ASSETS: &[Asset] = &[$(Asset {
            path: concat!("/pool/assets/", $name),
            kind: $kind,
            text: include_str!(concat!("../assets/", $file)),
        }),*];
    };
}

assets! {
    STYLE "potluck.css" = "potluck.css",
    SCRIPT "table.js" = "table.js",
    SCRIPT "shared.js" = "shared.js",
    SCRIPT "words.js" = "words.js",
    SCRIPT "chart.js" = "chart.js",
    SCRIPT "me.js" = "me.js",
    SCRIPT "kitchen.js" = "kitchen.js",
    SCRIPT "kitchen-pool.js" = "kitchen-pool.js",
    SCRIPT "kitchen-keys.js" = "kitchen-keys.js",
    SCRIPT "kitchen-add.js" = "kitchen-add.js",
    SCRIPT "kitchen-sights.js" = "kitchen-sights.js",
    SCRIPT "kitchen-tokens.js" = "kitchen-tokens.js",
    SCRIPT "kitchen-settings.js" = "kitchen-settings.js",
    STYLE "uplot.css" = "vendor/uPlot.min.css",
    SCRIPT "uplot.js" = "vendor/uPlot.iife.min.js",
}

/// The file at a path.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}
