//! The table: whether the pool is up, what it can serve, and how to join it.

use serde_json::Value;

use crate::language::Language;

/// The page at `/`: `base` is this server's own address, `pool` what `/pool` tells.
pub fn html(language: Language, base: &str, pool: &Value) -> String {
    let keys = |state: &str| pool["keys"][state].as_u64().unwrap_or(0);
    let hours: Vec<&Value> =
        pool["hours"].as_object().into_iter().flatten().map(|(_, h)| h).collect();
    let day = |what: &str| hours.iter().filter_map(|hour| hour[what].as_u64()).sum();
    let serving = keys("serving");
    let numbers = [
        ("serving", serving),
        ("resting", keys("resting") + keys("held")),
        ("paused", keys("paused")),
        ("disabled", keys("disabled")),
        ("served", day("served")),
        ("failed", day("failed")),
        ("waited", day("waited")),
    ];
    let mut page = match language {
        Language::English => ENGLISH,
        Language::Chinese => CHINESE,
    }
    .replace("{base}", &escaped(base))
    .replace("{models}", &models(language, pool))
    .replace("{hours}", &bars(&hours))
    .replace("{joining}", joining(language, pool))
    .replace("{open}", if serving > 0 { "yes" } else { "no" });
    for (name, number) in numbers {
        page = page.replace(&format!("{{{name}}}"), &number.to_string());
    }
    page
}

const ENGLISH: &str = include_str!("../assets/table.en.html");
const CHINESE: &str = include_str!("../assets/table.zh.html");

/// A bar for each hour: what was served, and on top what was not, against the busiest hour.
fn bars(hours: &[&Value]) -> String {
    let of = |hour: &Value, what: &str| hour[what].as_u64().unwrap_or(0);
    let busiest = hours.iter().map(|hour| of(hour, "served") + of(hour, "failed")).max();
    let most = busiest.unwrap_or(0).max(1);
    let mut bars = String::new();
    for (hour, at) in hours.iter().zip(0_u64..) {
        let (served, failed) = (of(hour, "served"), of(hour, "failed"));
        let [served, both] = [served, served + failed].map(|calls| height(calls, most));
        for (kind, top, low) in [("served", served, 0), ("failed", both, served)] {
            if top > low {
                let (x, y, tall) = (at * 10 + 1, 60 - top, top - low);
                bars.push_str(&format!(
                    "<rect class=\"{kind}\" x=\"{x}\" y=\"{y}\" width=\"8\" height=\"{tall}\"></rect>"
                ));
            }
        }
    }
    bars
}

/// Whatever is not nothing is seen.
fn height(calls: u64, most: u64) -> u64 {
    (calls * 60).div_ceil(most)
}

fn models(language: Language, pool: &Value) -> String {
    let names = pool["models"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let keys = match language {
        Language::English => "keys",
        Language::Chinese => "把密钥",
    };
    let item = |name| {
        let ready = pool["ready"][name].as_u64().unwrap_or(0);
        format!("<li>{} <span class=\"soft\">{ready} {keys}</span></li>", escaped(name))
    };
    let items: String = names.map(item).collect();
    if !items.is_empty() {
        return items;
    }
    let none = match language {
        Language::English => "None has been asked for since the start.",
        Language::Chinese => "启动以来还没有人调用过。",
    };
    format!("<li class=\"none\">{none}</li>")
}

/// What is in the way of whoever wants to join, if anything is.
fn joining(language: Language, pool: &Value) -> &'static str {
    match (language, pool["admission"].as_str()) {
        (Language::English, Some("invite")) => {
            "<p><strong>Invited keys alone may join.</strong> Ask whoever runs this pool for a code, \
             and send it once beside your key, in the header <code>x-potluck-invite</code>.</p>\n"
        }
        (Language::Chinese, Some("invite")) => {
            "<p><strong>只有受邀的密钥可以加入。</strong>请向运行者要一个邀请码，并在第一次调用时与密钥一起放在请求头 \
             <code>x-potluck-invite</code> 里。</p>\n"
        }
        (Language::English, Some("closed")) => {
            "<p><strong>No new keys are taken here.</strong> Ask whoever runs this pool to add yours, \
             or for an access token, which goes where a key does.</p>\n"
        }
        (Language::Chinese, Some("closed")) => {
            "<p><strong>这里不接受新密钥。</strong>请让运行者添加您的密钥，或者要一个访问令牌，\
             放在密钥的位置上使用。</p>\n"
        }
        _ => "",
    }
}

/// Text that is no markup, wherever it stands.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Names the parts of the page that are filled in.
            '{' => safe.push_str("&#123;"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(language: Language) -> String {
        let pool = json!({
            "keys": { "serving": 12, "resting": 3, "held": 1, "paused": 2, "disabled": 4 },
            "models": ["gemini-x", "<script>alert(1)</script>{base}"],
            "ready": { "gemini-x": 11 },
            "hours": {
                "2026-11-26T22:00:00Z": { "served": 80, "failed": 1, "waited": 2 },
                "2026-11-26T23:00:00Z": { "served": 10, "failed": 0, "waited": 3 },
            },
        });
        html(language, "http://pool.example\"><b>:1", &pool)
    }

    #[test]
    fn every_part_is_filled_in_and_in_both_languages_the_same() {
        let pages = [Language::English, Language::Chinese].map(page);
        for page in &pages {
            assert!(!page.contains('{'), "{page}");
            for (id, number) in [("serving", 12), ("resting", 4), ("served", 90), ("failed", 1)] {
                assert!(page.contains(&format!("id=\"{id}\">{number}</")), "{id}");
            }
        }
        let shape = |page: &str| {
            let tags = page.split('<').skip(1).filter_map(|tag| tag.split(['>', ' ']).next());
            tags.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(shape(&pages[0]), shape(&pages[1]));
    }

    #[test]
    fn whoever_cannot_simply_join_is_told_so() {
        for language in [Language::English, Language::Chinese] {
            let page = |mode: &str| html(language, "", &json!({ "admission": mode }));
            let [open, invite, closed] = ["open", "invite", "closed"].map(page);
            assert!(invite.contains("x-potluck-invite") && !open.contains("x-potluck-invite"));
            assert!(closed.len() > open.len() && !closed.contains('{'));
        }
    }

    #[test]
    fn what_others_named_is_text_and_no_script_stands_in_the_page() {
        for language in [Language::English, Language::Chinese] {
            let page = page(language);
            assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("\">11 "));
            let tags = page.split('<').filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag);
            let acts = |tag: &str| tag.contains(" on") || tag.contains("style=");
            assert!(!page.contains("<b>") && !tags.into_iter().any(acts));
            let scripts = page.matches("<script").count();
            assert_eq!(scripts, page.matches("<script src=\"/pool/assets/").count());
        }
    }

    #[test]
    fn nothing_is_asked_of_another_host() {
        for text in [ENGLISH, CHINESE] {
            for part in ["src=\"http", "href=\"http://", "@import", "url("] {
                assert!(!text.contains(part), "{part}");
            }
        }
    }
}
