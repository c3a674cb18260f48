//! Each rule as a function from files to findings.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::{Spacing, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::source::{Named, Source};
use super::tables::{
    CLAIM_LINES, DOORS, FILE_LINES, FUNCTION_LINES, IMPURE, JOINER, LONG, MAY_IMPORT, OPERATORS, PERMISSIONS,
    PURE, PURE_ENOUGH, ROAD, STAGE_WINGS, registries as registry_names,
};

/// One place that breaks a rule.
pub struct Finding {
    /// The file, from the repository's root.
    pub file: String,
    /// The line.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

fn finding(source: &Source, line: usize, what: String) -> Finding {
    Finding { file: source.file.clone(), line, what }
}

/// Paths into the crate, without the leading `crate` (or the crate's name, from its binary).
fn inside(source: &Source) -> impl Iterator<Item = Named> {
    source.paths().into_iter().filter_map(|named| {
        let (first, rest) = named.path.split_first()?;
        matches!(first.as_str(), "crate" | "clawgress")
            .then(|| Named { path: rest.to_vec(), line: named.line })
    })
}

/// No import of a module that is declared below: in `lib.rs` among the wings, in a wing's `mod.rs` among its modules.
pub fn order(sources: &[Source]) -> Vec<Finding> {
    let declared: BTreeMap<Vec<String>, &Source> =
        sources.iter().map(|source| (source.module.clone(), source)).collect();
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.file != "src/main.rs") {
        for named in inside(source) {
            let common =
                source.module.iter().zip(&named.path).take_while(|(own, other)| own == other).count();
            // Inside a stage, files are one thing with several pages.
            if common > 1 || common >= source.module.len() || common >= named.path.len() {
                continue;
            }
            let Some(parent) = declared.get(&source.module[..common]) else { continue };
            let place = |name: &String| parent.children.iter().position(|child| child == name);
            let target = match place(&named.path[common]) {
                Some(_) => Some(named.path[common].clone()),
                None => reexported(parent, &named.path[common]),
            };
            let Some(target) = target else { continue };
            if place(&target) > place(&source.module[common]) {
                let other = [&source.module[..common], &[target]].concat();
                let what = format!(
                    "`{}` imports `{}`, which is declared below it",
                    source.module.join("::"),
                    other.join("::")
                );
                findings.push(finding(source, named.line, what));
            }
        }
    }
    findings
}

/// The child of a module from which it re-exports this name.
fn reexported(parent: &Source, name: &str) -> Option<String> {
    parent.paths().into_iter().find_map(|named| {
        let path = match named.path.first().map(String::as_str) {
            Some("crate") => named.path.get(1 + parent.module.len()..)?.to_vec(),
            _ => named.path,
        };
        (path.len() > 1 && path.last().is_some_and(|last| last == name) && parent.children.contains(&path[0]))
            .then(|| path[0].clone())
    })
}

/// From another stage only what the table names.
pub fn strangers(sources: &[Source]) -> Vec<Finding> {
    let stage = |path: &[String]| -> Option<String> {
        let wing = path.first().filter(|wing| STAGE_WINGS.contains(&wing.as_str()))?;
        path.get(1).map(|name| format!("{wing}::{name}"))
    };
    let mut findings = Vec::new();
    for source in sources {
        let Some(own) = stage(&source.module) else { continue };
        for named in inside(source) {
            let Some(other) = stage(&named.path).filter(|other| *other != own) else { continue };
            let allowed = |name: &String| {
                MAY_IMPORT.iter().any(|(asking, asked, names)| {
                    let asks =
                        *asking == own || asking.strip_suffix('*').is_some_and(|wing| own.starts_with(wing));
                    asks && *asked == other && names.contains(&name.as_str())
                })
            };
            let rest = &named.path[2..];
            // `Known`, `passage::Mode` and `Mode::Terminate` are all the type that they name.
            if !rest.iter().any(allowed) {
                let what = rest.last().map_or("all".to_owned(), |name| format!("`{name}`"));
                findings.push(finding(source, named.line, format!("`{own}` imports {what} of `{other}`")));
            }
        }
    }
    findings
}

/// No clock, socket, file or runtime in pure modules.
pub fn pure(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| PURE.iter().any(|module| source.within(module))) {
        for named in source.paths() {
            let path = named.path.join("::").replace("core::", "std::");
            let begins = |with: &&str| path == *with || path.starts_with(&format!("{with}::"));
            let clock = path.ends_with("::now") || path.ends_with("::now_v7");
            if clock || (IMPURE.iter().any(begins) && !PURE_ENOUGH.iter().any(begins)) {
                findings.push(finding(source, named.line, format!("`{path}` in a pure module")));
            }
        }
    }
    findings
}

/// `unsafe` and SQL each in one module.
pub fn doors(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for tree in source.flat() {
            for (word, home) in DOORS {
                if matches!(&tree, TokenTree::Ident(ident) if ident == word) && !source.within(home) {
                    let what = format!("`{word}` outside `{home}`");
                    findings.push(finding(source, tree.span().start().line, what));
                }
            }
        }
    }
    findings
}

/// The operator's side does not import the packet's path.
pub fn two_sides(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let operators = sources.iter().filter(|source| OPERATORS.iter().any(|wing| source.within(wing)));
    for source in operators.filter(|source| !source.within(JOINER)) {
        for named in inside(source) {
            if named.path.first().is_some_and(|wing| ROAD.contains(&wing.as_str())) {
                let what =
                    format!("`{}` imports `crate::{}`", source.module.join("::"), named.path.join("::"));
                findings.push(finding(source, named.line, what));
            }
        }
    }
    findings
}

/// Permissions have private fields and `#[must_use]`, and cannot be cloned.
pub fn permissions(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let owned: Vec<&str> =
            PERMISSIONS.iter().filter(|(_, home)| source.within(home)).map(|(name, _)| *name).collect();
        if owned.is_empty() {
            continue;
        }
        let file: syn::File =
            syn::parse2(source.tokens.clone()).unwrap_or_else(|error| panic!("{}: {error}", source.file));
        for item in file.items {
            match item {
                syn::Item::Struct(item) if owned.iter().any(|name| item.ident == name) => {
                    for what in permission_faults(&item) {
                        let line = item.ident.span().start().line;
                        findings.push(finding(source, line, format!("`{}` {what}", item.ident)));
                    }
                }
                syn::Item::Impl(item) => {
                    let of_clone =
                        item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last().cloned());
                    let on = last_segment(&item.self_ty);
                    if of_clone.is_some_and(|name| name.ident == "Clone") && owned.contains(&on.as_str()) {
                        let line = item.impl_token.span.start().line;
                        findings.push(finding(source, line, format!("`{on}` can be cloned")));
                    }
                }
                _ => {}
            }
        }
    }
    findings
}

fn permission_faults(item: &syn::ItemStruct) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if !item.attrs.iter().any(|attribute| attribute.path().is_ident("must_use")) {
        faults.push("is not `#[must_use]`");
    }
    let derives = item.attrs.iter().filter(|attribute| attribute.path().is_ident("derive"));
    let mut derived = derives.filter_map(|attribute| attribute.meta.require_list().ok());
    let word = |list: &syn::MetaList| list.tokens.clone().into_iter().any(|tree| tree.to_string() == "Clone");
    if derived.any(word) {
        faults.push("can be cloned");
    }
    let open = |visibility: &syn::Visibility| match visibility {
        syn::Visibility::Public(_) => true,
        syn::Visibility::Restricted(restricted) => restricted.path.is_ident("crate"),
        syn::Visibility::Inherited => false,
    };
    if item.fields.iter().any(|field| open(&field.vis)) {
        faults.push("has a public field");
    }
    faults
}

fn last_segment(of: &syn::Type) -> String {
    match of {
        syn::Type::Path(path) => {
            path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// Every file opens with `//!`.
pub fn opening(sources: &[Source]) -> Vec<Finding> {
    let silent = sources.iter().filter(|source| !source.text.starts_with("//! "));
    silent.map(|source| finding(source, 1, "does not open with `//!`".to_owned())).collect()
}

/// No `unwrap()`, no `expect` without an invariant, nothing left to do.
pub fn no_panics(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let trees = source.flat();
        for window in trees.windows(3) {
            let (TokenTree::Punct(punct), TokenTree::Ident(name)) = (&window[0], &window[1]) else {
                if let (TokenTree::Ident(name), TokenTree::Punct(bang)) = (&window[0], &window[1])
                    && bang.as_char() == '!'
                    && bang.spacing() == Spacing::Alone
                    && ["todo", "unimplemented"].iter().any(|word| name == word)
                {
                    findings.push(finding(source, name.span().start().line, format!("`{name}!`")));
                }
                continue;
            };
            let arguments = match &window[2] {
                TokenTree::Group(group) if punct.as_char() == '.' => group.stream().to_string(),
                _ => continue,
            };
            let fault = match name.to_string().as_str() {
                "unwrap" => arguments.is_empty(),
                "expect" => arguments.starts_with('"') && !arguments.starts_with("\"invariant: "),
                _ => false,
            };
            if fault {
                findings.push(finding(source, name.span().start().line, format!("`{name}({arguments})`")));
            }
        }
    }
    findings
}

/// Files and functions of the crate are not too long.
pub fn sizes(sources: &[Source]) -> Vec<Finding> {
    let mut findings = file_sizes(sources);
    for source in sources {
        let file: syn::File =
            syn::parse2(source.tokens.clone()).unwrap_or_else(|error| panic!("{}: {error}", source.file));
        let mut functions = Functions(Vec::new());
        functions.visit_file(&file);
        for (name, line, lines) in functions.0 {
            if lines > FUNCTION_LINES {
                findings.push(finding(source, line, format!("function `{name}` has {lines} lines")));
            }
        }
    }
    findings
}

/// Files are not too long, inline tests not counted.
pub fn file_sizes(sources: &[Source]) -> Vec<Finding> {
    let listed = |file: &str| LONG.iter().any(|(name, _)| *name == file);
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !listed(&source.file)) {
        let lines = source.text.lines().count() - source.test_lines;
        let bound = if source.file.starts_with("tests/e2e/") { CLAIM_LINES } else { FILE_LINES };
        if lines > bound {
            findings.push(finding(source, lines, format!("file has {lines} lines without its tests")));
        }
    }
    findings
}

/// Functions with their first line and their number of lines.
struct Functions(Vec<(String, usize, usize)>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, whole: proc_macro2::Span) {
        let (start, end) = (signature.span().start().line, whole.end().line);
        self.0.push((signature.ident.to_string(), start, end + 1 - start));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }
}

/// No text in the repository names a registry's host. The lock file is cargo's own.
pub fn registries(folder: &Path) -> Vec<Finding> {
    const LEFT_OUT: [&str; 5] = [".git", "Cargo.lock", "dist", "target", "node_modules"];
    let mut findings = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if LEFT_OUT.iter().any(|name| entry.file_name() == *name) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            findings.extend(registries(&path));
        } else if let Ok(text) = fs::read_to_string(&path) {
            for (index, line) in text.lines().enumerate() {
                if let Some(name) = registry_names().iter().find(|name| line.contains(name.as_str())) {
                    let file = path.display().to_string();
                    findings.push(Finding { file, line: index + 1, what: format!("names `{name}`") });
                }
            }
        }
    }
    findings
}
