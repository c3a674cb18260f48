//! clawgress.yaml(5): every setting, of what its schema says: the meaning, and what holds without it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::config;

/// What stands before the settings.
const BEGINNING: &str = include_str!("clawgress.yaml.5");
/// What stands behind them.
const END: &str = ".SH \"SEE ALSO\"
\\fBclawgressd\\fR(8), \\fBclawgress\\-validate\\fR(1), \\fBclawgress\\-doctor\\fR(1)
.br
\\fI/usr/share/doc/clawgress/docs/settings.md\\fR has an example of every setting, and the page that explains each.
";

/// The page.
pub fn page() -> String {
    let schema = config::schema();
    let spec = &schema["properties"]["spec"];
    let mut page = format!(
        ".TH CLAWGRESS.YAML 5 \"\" \"clawgress {}\" Clawgress\n{BEGINNING}.SH SETTINGS\n",
        env!("CARGO_PKG_VERSION")
    );
    list("spec", spec, &mut page);
    page + END
}

/// The settings below this one, each by its whole name. What is not enforced yet would be refused, and is left out.
fn list(path: &str, shape: &Value, page: &mut String) {
    let Some(fields) = shape["properties"].as_object() else { return };
    for (name, field) in fields.iter().filter(|(_, field)| field.get("not").is_none()) {
        let path = format!("{path}.{name}");
        if field.get("properties").is_some() {
            list(&path, field, page);
            continue;
        }
        let meaning = field["description"].as_str().unwrap_or_default();
        let _ = write!(page, ".TP\n\\fB{}\\fR\n{}", escaped(&path), escaped(meaning));
        let required = shape["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        match &field["default"] {
            _ if required => page.push_str(" Required."),
            Value::Null => {}
            Value::String(default) => {
                let _ = write!(page, " Default: \\fI{}\\fR.", escaped(default));
            }
            default => {
                let _ = write!(page, " Default: \\fI{}\\fR.", escaped(&default.to_string()));
            }
        }
        page.push('\n');
    }
}

/// Text as man(7) takes it, also at the beginning of a line.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_is_enforced_is_named_with_its_default() {
        let page = page();
        for name in [
            "spec.failMode",
            "spec.intercept.interfaces",
            "spec.intercept.echo.packetsPerSecond",
            "spec.quota.executionIdle",
            "spec.dlp.holdBytes",
        ] {
            assert!(page.contains(&format!(".TP\n\\fB{name}\\fR\n")), "{name}: {page}");
        }
        assert!(page.contains("Workload\\-facing interfaces. Required."), "{page}");
        assert!(page.contains("Default: \\fI/var/lib/clawgress\\fR."), "{page}");
        assert!(!page.contains("dashboard"), "what is refused is not offered: {page}");
    }

    #[test]
    fn text_is_never_taken_for_a_request_of_the_formatter() {
        assert_eq!(escaped(".so /etc/passwd"), "\\&.so /etc/passwd");
        assert_eq!(escaped("a-b\\c"), "a\\-b\\ec");
    }
}
