//! The journal: whatever happens to the bytes of one segment, what stood before is there, and nothing else is.

use proptest::prelude::*;

use super::holds;

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.div_ceil(4), ..ProptestConfig::default() })]

    #[test]
    fn no_damage_loses_a_record_in_front_of_it(
        how in any::<[u8; 6]>(),
        place in 0..400_u16,
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..8),
        garbage in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let [high, low] = place.to_be_bytes();
        let head = [payloads.len() as u8, high, low, how[3], how[4] % 40, how[5]];
        let payloads = payloads.iter().flat_map(|payload| [&[payload.len() as u8], &payload[..]].concat());
        let bytes: Vec<u8> = head.into_iter().chain(payloads).chain(garbage).collect();
        holds("journal", &bytes);
    }
}
