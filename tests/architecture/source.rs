//! The source as the rules see it: every file without its test code, and every path that it names.
//!
//! Works on tokens and not on syntax trees, so that `use` lines, paths in expressions and the insides of macros
//! are all read by the same few lines.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

/// One file of the crate.
pub struct Source {
    /// From the repository's root, such as `src/act/dial/mod.rs`.
    pub file: String,
    /// From the crate's root, such as `[act, dial]`.
    pub module: Vec<String>,
    /// The whole text.
    pub text: String,
    /// Everything that is not compiled for tests alone.
    pub tokens: TokenStream,
    /// Lines of code that is compiled for tests alone.
    pub test_lines: usize,
    /// Modules declared here, in order.
    pub children: Vec<String>,
    /// Modules declared here for tests alone; those with a `#[path]` by their file's name.
    pub test_children: Vec<String>,
}

/// A path that starts at the crate's root or outside the crate, with all its segments.
pub struct Named {
    /// `[crate, act, dial, Dialled]` or `[std, fs, File]`.
    pub path: Vec<String>,
    /// Where.
    pub line: usize,
}

impl Source {
    /// Reads one file of which the text is given.
    pub fn new(file: &str, text: &str) -> Self {
        let tokens: TokenStream =
            text.parse().unwrap_or_else(|error| panic!("{file} does not parse: {error}"));
        let (tokens, test_lines, test_children) = without_tests(tokens);
        let children = declared(&tokens);
        Self {
            file: file.to_owned(),
            module: module_of(file),
            text: text.to_owned(),
            tokens,
            test_lines,
            children,
            test_children,
        }
    }

    /// Every path that this file names: relative ones made absolute, groups taken apart.
    pub fn paths(&self) -> Vec<Named> {
        let mut found = Vec::new();
        collect(&self.tokens.clone().into_iter().collect::<Vec<_>>(), &self.module, &mut found);
        found
    }

    /// Every token, the insides of groups included, in order.
    pub fn flat(&self) -> Vec<TokenTree> {
        let mut all = Vec::new();
        flatten(self.tokens.clone(), &mut all);
        all
    }

    /// Whether the file's module is this one or stands below it.
    pub fn within(&self, module: &str) -> bool {
        let wanted: Vec<&str> = module.split("::").collect();
        self.module.len() >= wanted.len() && self.module.iter().zip(&wanted).all(|(have, want)| have == want)
    }
}

/// Every file of `src`, but for those that are compiled for tests alone.
pub fn crate_sources() -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    without_test_files(files.iter().map(|path| read(path)).collect())
}

/// Leaves out the files of modules that are declared for tests alone, and of those below them.
pub fn without_test_files(mut sources: Vec<Source>) -> Vec<Source> {
    let mut tests: Vec<Vec<String>> = Vec::new();
    for source in &sources {
        for child in &source.test_children {
            let mut module = source.module.clone();
            // A `#[path]` counts from the folder that the file is in.
            if child.ends_with(".rs") && !source.file.ends_with("/mod.rs") {
                module.pop();
            }
            module.push(child.trim_end_matches(".rs").to_owned());
            tests.push(module);
        }
    }
    sources.retain(|source| !tests.iter().any(|test| source.module.starts_with(test)));
    sources
}

/// Every file of `tests` and `benches`.
pub fn test_sources() -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(&root().join("tests"), &mut files);
    rust_files(&root().join("benches"), &mut files);
    files.iter().map(|path| read(path)).collect()
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> Source {
    let file = path.strip_prefix(root()).expect("inside the repository").to_string_lossy();
    Source::new(&file, &fs::read_to_string(path).expect("a source file"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn module_of(file: &str) -> Vec<String> {
    let inner = file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs");
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    if inner == "lib" { Vec::new() } else { inner.split('/').map(str::to_owned).collect() }
}

/// Takes away items under `#[cfg(test)]`; also says how many lines they had and which modules they declare.
fn without_tests(tokens: TokenStream) -> (TokenStream, usize, Vec<String>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let (mut kept, mut lines, mut modules) = (Vec::new(), 0, Vec::new());
    let mut index = 0;
    while index < trees.len() {
        if is_test_attribute(&trees[index..]) {
            let end = item_end(&trees, index);
            drop_attributes(&mut kept);
            lines += trees[end].span().end().line + 1 - trees[index].span().start().line;
            let item = trees[index..=end].iter().cloned().collect();
            modules.extend(declared(&item));
            modules.extend(path_attribute(&item));
            index = end + 1;
            continue;
        }
        if let TokenTree::Group(group) = &trees[index] {
            let (inner, more, _) = without_tests(group.stream());
            let mut group_kept = proc_macro2::Group::new(group.delimiter(), inner);
            group_kept.set_span(group.span());
            lines += more;
            kept.push(TokenTree::Group(group_kept));
        } else {
            kept.push(trees[index].clone());
        }
        index += 1;
    }
    (kept.into_iter().collect(), lines, modules)
}

/// Takes away the attributes, doc comments among them, that stand in front of a removed item.
fn drop_attributes(kept: &mut Vec<TokenTree>) {
    while let [.., TokenTree::Punct(hash), TokenTree::Group(group)] = kept.as_slice()
        && hash.as_char() == '#'
        && group.delimiter() == Delimiter::Bracket
    {
        kept.truncate(kept.len() - 2);
    }
}

fn is_test_attribute(trees: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = trees else { return false };
    let text = group.stream().to_string();
    hash.as_char() == '#'
        && text.starts_with("cfg")
        && words(group.stream()).any(|word| word == "test")
        && !text.contains("not")
}

/// The index of the last token of the item that begins here: its `;` or its braces.
fn item_end(trees: &[TokenTree], start: usize) -> usize {
    let keyword =
        trees[start + 2..].iter().find(|tree| matches!(tree, TokenTree::Ident(word) if word != "pub"));
    let imports = matches!(keyword, Some(TokenTree::Ident(word)) if word == "use");
    let ends = |tree: &TokenTree| match tree {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !imports,
        _ => false,
    };
    (start + 2..trees.len()).find(|index| ends(&trees[*index])).unwrap_or(trees.len() - 1)
}

fn words(tokens: TokenStream) -> impl Iterator<Item = String> {
    let mut all = Vec::new();
    flatten(tokens, &mut all);
    all.into_iter().filter_map(|tree| match tree {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    })
}

fn flatten(tokens: TokenStream, all: &mut Vec<TokenTree>) {
    for tree in tokens {
        all.push(tree.clone());
        if let TokenTree::Group(group) = tree {
            flatten(group.stream(), all);
        }
    }
}

/// The names in `mod name;`, in order.
fn declared(tokens: &TokenStream) -> Vec<String> {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    trees
        .windows(3)
        .filter_map(|window| match window {
            [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(end)]
                if word == "mod" && end.as_char() == ';' =>
            {
                Some(name.to_string())
            }
            _ => None,
        })
        .collect()
}

/// The file in `#[path = "file.rs"]`.
fn path_attribute(item: &TokenStream) -> Option<String> {
    let trees = item.clone().into_iter();
    let mut attributes = trees.filter_map(|tree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
            Some(group.stream().to_string())
        }
        _ => None,
    });
    let value = attributes.find_map(|text| text.strip_prefix("path =").map(str::to_owned))?;
    Some(value.trim().trim_matches('"').to_owned())
}

fn is_colons(trees: &[TokenTree]) -> bool {
    matches!(trees, [TokenTree::Punct(a), TokenTree::Punct(b), ..] if a.as_char() == ':' && b.as_char() == ':')
}

/// Finds the paths among these tokens, and inside their groups.
fn collect(trees: &[TokenTree], module: &[String], found: &mut Vec<Named>) {
    let mut index = 0;
    while index < trees.len() {
        match &trees[index] {
            TokenTree::Ident(first) if is_colons(&trees[index + 1..]) => {
                let mut names = Vec::new();
                index += take(&trees[index..], &[], &mut names);
                let line = first.span().start().line;
                found.extend(names.into_iter().map(|(path, span)| Named {
                    path: absolute(path, module),
                    line: span.map_or(line, |span: Span| span.start().line),
                }));
            }
            TokenTree::Group(group) => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                match trees[..index] {
                    // `mod name { .. }`: what is `super` in there is this module.
                    [.., TokenTree::Ident(ref word), TokenTree::Ident(ref name)] if word == "mod" => {
                        collect(&inner, &[module, &[name.to_string()]].concat(), found);
                    }
                    _ => collect(&inner, module, found),
                }
                index += 1;
            }
            // `use rusqlite;` and the like: a path of one segment.
            TokenTree::Ident(word) if word == "use" => {
                if let (Some(TokenTree::Ident(name)), false) =
                    (trees.get(index + 1), is_colons(trees.get(index + 2..).unwrap_or_default()))
                {
                    found.push(Named { path: vec![name.to_string()], line: name.span().start().line });
                }
                index += 1;
            }
            _ => index += 1,
        }
    }
}

type Expanded = (Vec<String>, Option<Span>);

/// Reads one path from the start of the tokens and returns how many it took; a group at its end gives one path for
/// each member.
fn take(trees: &[TokenTree], before: &[String], found: &mut Vec<Expanded>) -> usize {
    let mut path = before.to_vec();
    let mut index = 0;
    let mut span = None;
    loop {
        match trees.get(index) {
            Some(TokenTree::Ident(ident)) => {
                path.push(ident.to_string());
                span = Some(ident.span());
                index += 1;
            }
            Some(TokenTree::Punct(star)) if star.as_char() == '*' && index > 0 => {
                path.push("*".to_owned());
                index += 1;
                break;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && index > 0 => {
                let members: Vec<_> = group.stream().into_iter().collect();
                for member in
                    members.split(|tree| matches!(tree, TokenTree::Punct(comma) if comma.as_char() == ','))
                {
                    if !member.is_empty() {
                        take(member, &path, found);
                    }
                }
                return index + 1;
            }
            _ => break,
        }
        if !is_colons(trees.get(index..).unwrap_or_default()) {
            break;
        }
        index += 2;
    }
    found.push((path, span));
    index.max(1)
}

/// `super` and `self` made absolute; everything else as it is.
fn absolute(path: Vec<String>, module: &[String]) -> Vec<String> {
    let mut base: Vec<String> = match path[0].as_str() {
        "self" | "super" => module.to_vec(),
        _ => return path,
    };
    let mut rest = path.iter().peekable();
    while let Some(word) = rest.next_if(|word| matches!(word.as_str(), "self" | "super")) {
        if word == "super" {
            base.pop();
        }
    }
    ["crate".to_owned()].into_iter().chain(base).chain(rest.cloned()).collect()
}
