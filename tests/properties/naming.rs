//! Paths and names: any spelling has one canonical form, reached in one step.

use proptest::prelude::*;

use super::holds;

proptest! {
    #[test]
    fn a_path_has_one_canonical_form_and_no_dots_in_any_reading(
        path in "(/(\\.|\\.\\.|%2[eE]|%2f|%5C|%3b|;|[a-c~]|%6[1-3]|%[0-9a-fA-F]{2}|[{}|\\[\\]\"^]|[ -~]){0,4}){1,5}",
    ) {
        holds("path", path.as_bytes());
    }

    #[test]
    fn a_name_has_one_canonical_form(
        text in "[\\[]{0,1}([a-zA-Z0-9_é-]{1,9}[.。:@\u{ff0e}]{0,2}){1,4}(0x[0-9a-f]|[0-9:]{0,9}){0,1}[\\]]{0,1}(:[0-9]{1,5}){0,1}",
    ) {
        holds("names", text.as_bytes());
    }

    #[test]
    fn any_text_is_one_name_or_none(text in any::<String>()) {
        holds("names", text.as_bytes());
    }

    #[test]
    fn an_address_inside_another_is_judged_by_what_it_is(octets in any::<[u8; 16]>(), v4 in any::<[u8; 4]>()) {
        holds("names", &octets);
        let special = [[127, 0, 0, 1], [10, 1, 2, 3], [169, 254, 169, 254], [100, 64, 0, 1], [192, 0, 2, 1], v4];
        for inside in special {
            holds("names", &[&octets[..12], &inside].concat());
            holds("names", &[&[0; 10][..], &[0xff, 0xff], &inside].concat());
        }
    }
}
