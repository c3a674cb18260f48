//! Entities of HTML and XML that stand for ASCII, or for nothing that is seen (WHATWG, "HTML", section 13.5).

/// The names of those that stand for ASCII or are invisible.
const NAMES: &[(&str, char)] = &[
    ("amp", '&'),
    ("AMP", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("GT", '>'),
    ("Hat", '^'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lsqb", '['),
    ("lt", '<'),
    ("LT", '<'),
    ("midast", '*'),
    ("nbsp", '\u{a0}'),
    ("NewLine", '\n'),
    ("NoBreak", '\u{2060}'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rpar", ')'),
    ("rsqb", ']'),
    ("semi", ';'),
    ("shy", '\u{ad}'),
    ("sol", '/'),
    ("Tab", '\t'),
    ("UnderBar", '_'),
    ("verbar", '|'),
    ("VerticalLine", '|'),
    ("vert", '|'),
    ("ZeroWidthSpace", '\u{200b}'),
    ("zwj", '\u{200d}'),
    ("zwnj", '\u{200c}'),
];

/// Bytes of the longest entity that is read: a number may have zeros in front.
const LONGEST: usize = 20;

/// The character that an entity at the beginning of a text stands for, and the bytes of the entity.
pub fn entity(text: &[u8]) -> Option<(usize, char)> {
    let rest = text.get(1..text.len().min(LONGEST))?;
    if rest.first() != Some(&b'#') && !rest.first().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let name = std::str::from_utf8(&rest[..memchr::memchr(b';', rest)?]).ok()?;
    let letter = match name.strip_prefix('#') {
        Some(number) => char::from_u32(match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        })?,
        None => NAMES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((name.len() + 2, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_read_and_nothing_else() {
        for text in ["&#65;", "&#x41;", "&#X0041;", "&#0000065;"] {
            assert_eq!(entity(text.as_bytes()), Some((text.len(), 'A')), "{text}");
        }
        assert_eq!(entity(b"&commat;x"), Some((8, '@')));
        for text in ["&", "&amp", "&;", "&#;", "&#xd800;", "&nosuch;", "&a b;", "&#6 5;"] {
            assert_eq!(entity(text.as_bytes()), None, "{text}");
        }
    }
}
