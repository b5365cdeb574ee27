//! Pages that hold no numbers: their scripts ask for those with what their reader shows.

use crate::language::Language;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// A contributor's place, at `/me`.
    Place,
    /// The operators' kitchen, at `/admin`.
    Kitchen,
}

impl Still {
    /// The page.
    pub fn html(self, language: Language) -> &'static str {
        match (self, language) {
            (Still::Place, Language::English) => include_str!("../assets/me.en.html"),
            (Still::Place, Language::Chinese) => include_str!("../assets/me.zh.html"),
            (Still::Kitchen, Language::English) => include_str!("../assets/kitchen.en.html"),
            (Still::Kitchen, Language::Chinese) => include_str!("../assets/kitchen.zh.html"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asset;

    const ALL: [Still; 2] = [Still::Place, Still::Kitchen];

    #[test]
    fn a_page_is_of_one_shape_in_both_languages() {
        let shape = |page: &'static str| {
            let tags = page.split('<').skip(1).filter_map(|tag| tag.split('>').next());
            tags.map(|tag| tag.split(['"', ' ']).next()).collect::<Vec<_>>()
        };
        let names = |page: &'static str| {
            let ids = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next());
            ids.collect::<Vec<_>>()
        };
        for still in ALL {
            let [english, chinese] = [Language::English, Language::Chinese].map(|l| still.html(l));
            assert_eq!(shape(english), shape(chinese), "{still:?}");
            assert_eq!(names(english), names(chinese), "{still:?}");
        }
    }

    #[test]
    fn everything_a_page_or_script_names_is_here_and_nothing_acts_in_it() {
        let scripts = asset::ASSETS.iter().filter(|asset| !asset.path.contains("uplot"));
        let pages = ALL.iter().map(|still| still.html(Language::English));
        for text in scripts.map(|asset| asset.text).chain(pages) {
            for path in text.split('"').filter(|part| part.starts_with("/pool/assets/")) {
                assert!(asset::find(path).is_some(), "{path}");
            }
            for part in ["src=\"http", "href=\"http", "@import", "url(", " style=", " onclick"] {
                assert!(!text.contains(part), "{part}");
            }
            assert!(!text.contains("innerHTML"));
        }
    }
}
