//! Rules on what people read.

use super::File;
use crate::shell::root;
use std::path::Path;

fn named<'f>(files: &'f [File], path: &str) -> Result<&'f str, Vec<String>> {
    let file = files.iter().find(|file| file.path == path);
    file.map(|file| file.text.as_str()).ok_or_else(|| vec![format!("{path} is missing")])
}

/// Every folder that holds a crate stands in ARCHITECTURE.md.
pub fn map_is_whole(files: &[File]) -> Vec<String> {
    let map = match named(files, "ARCHITECTURE.md") {
        Ok(map) => map,
        Err(missing) => return missing,
    };
    let crates = files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml"));
    let unnamed = crates.filter(|folder| !map.contains(&format!("`{folder}`")));
    unnamed.map(|folder| format!("`{folder}` is not named")).collect()
}

/// The two READMEs have the same headings by depth, and the same commands.
pub fn readmes_agree(files: &[File]) -> Vec<String> {
    let (english, chinese) = match (named(files, "README.md"), named(files, "README.zh-CN.md")) {
        (Ok(english), Ok(chinese)) => (english, chinese),
        (english, chinese) => {
            return [english.err(), chinese.err()].into_iter().flatten().flatten().collect();
        }
    };
    let mut found = Vec::new();
    if depths(english) != depths(chinese) {
        found.push(format!("headings: {:?} and {:?}", depths(english), depths(chinese)));
    }
    let (ours, theirs) = (commands(english), commands(chinese));
    found.extend(ours.iter().filter(|c| !theirs.contains(c)).map(|c| format!("only English: {c}")));
    found.extend(theirs.iter().filter(|c| !ours.contains(c)).map(|c| format!("only Chinese: {c}")));
    found
}

fn depths(text: &str) -> Vec<usize> {
    let headings = outside_code(text).filter(|line| line.starts_with('#'));
    headings.map(|line| line.chars().take_while(|c| *c == '#').count()).collect()
}

fn outside_code(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(str::lines)
}

/// Lines in code blocks, less comments.
fn commands(text: &str) -> Vec<&str> {
    let blocks = text.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(|block| block.lines().skip(1));
    let code = lines.map(|line| line.split(" #").next().unwrap_or(line).trim_end());
    code.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Every relative link in a Markdown file names a file that is there.
pub fn links_resolve(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = root().join(Path::new(&file.path).parent().unwrap_or(Path::new("")));
        for link in outside_code(&file.text).flat_map(links) {
            if !folder.join(link).exists() {
                found.push(format!("{}: {link}", file.path));
            }
        }
    }
    found
}

fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| {
        !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn readmes_may_differ_in_words_but_not_in_commands_or_headings() {
        let english = "# A\n```sh\n# start\ncargo run   # now\n```\n## B\n";
        let chinese = "# 甲\n```sh\ncargo run   # 现在\n```\n## 乙\n";
        let same = [file("README.md", english), file("README.zh-CN.md", chinese)];
        assert_eq!(readmes_agree(&same), Vec::<String>::new());
        let other = [file("README.md", english), file("README.zh-CN.md", "# 甲\n")];
        assert_eq!(readmes_agree(&other).len(), 2);
    }

    #[test]
    fn a_crate_that_the_map_forgets_is_found() {
        let files = [file("ARCHITECTURE.md", "`crates/a`"), file("crates/b/Cargo.toml", "")];
        assert_eq!(map_is_whole(&files), ["`crates/b` is not named"]);
    }
}
