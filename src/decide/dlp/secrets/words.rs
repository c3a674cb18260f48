//! Whether letters are words: of English, of programs, or none.
//!
//! A short list has what stands where a secret would, in code and settings: names of things, types, verbs. Other words are
//! known by their letters: a word of English has few pairs of letters that English does not. Both are facts of the
//! language and say nothing of single texts.

/// Words that stand in code, settings and documents where a secret would.
const COMMON: &str = "a abc access account acme action active actual add addr address admin agent ajax alg algo algorithm alias all allow \
    amazon and android any anon api app apps application apply are arg args argument array as asc assert at attr audit auth authentication \
    authenticate authorization auto aws azure back backend background bad bar base basic batch baz bcrypt bearer before begin beta bin binary \
    bit bits blank blob block body bool boolean boot bot bound box branch browser bucket buf buffer build builder builtin bundle but button \
    by byte bytes cache call callback cancel card cat cert certificate cfg chain challenge change changed char check child cipher class clean \
    cleanup clear cli client clients close cloud cluster cmd code codec col collection color column com command commit common compact compare \
    complete component compose computed conf config configuration confirm conn connect connection const consumer container content context \
    control cookie cookies copy core correct count counter create created creator cred creds credential credentials cross crypt crypto csrf ctx \
    cur current custom customer dash data database date day db dbname debug dec decode decrypt def default del delete demo deny deploy \
    derive derived des desc dest dev device dict diff digest dir direct disable disabled disk dispatch display dist dns do doc docker docs \
    document domain done dot double down download driver dsn dummy dump duration dynamic each echo edit editor else email empty enable \
    enabled enc encode encoded encrypt encrypted encryption end endpoint engine entity entry enum env environ environment err error errors \
    escape event events every exact example exec execute exist exists exit exp expire expired expires export ext external extra factory fail \
    failed failure fake false fatal feature fetch field fields file filename files filter final find first fix fixed fixture flag flags float \
    flow fmt folder follow foo for force form format forward frame free from ftp full fun func function gen general generate generated \
    generator get getenv git github given global go google grant graph group groups guest guid had handle handler has hash hashed have head \
    header headers hello help helper here hex hidden hint hmac home hook host hostname hour html http https icon id idle identifier identity if \
    ignore image impl import in include index info init initial inline inner input insert inspect install instance int integer internal into \
    invalid io ip is issuer item items iv java job js json just jwk jws jwt keep key keys keystore kind know known label lambda last latest \
    layer layout lazy leaf legacy len length less level lib library like limit line link list listen listener load loader local localhost \
    location lock log logger login logout long lookup loop low mac machine mail main make manage manager manual map mapping mark master match \
    max may md me memory menu merge message meta metadata method mgr min minute missing mock mode model module mongo month more mount move msg multi \
    must mutex my mysql name names namespace nats native need net network never new next nil no node nodes nonce none normal not note notes null \
    num number oauth obj object of off offset old on once one only op open operator opt option optional options or order org origin other out \
    outer output owner pack package page pair panel param params parent parse parser part partial parts pass passed passphrase passwd password \
    passwords patch path pattern payload peer pem pending per permission pg phrase pid ping pk pkcs place plain platform please plugin pod point \
    policy poll pool pop port portal post postgres pre prefix prepare present press prev preview previous primary print priv private process prod product \
    production profile program project prompt prop properties property props protected protocol provider proxy pub public publish pull push put \
    pwd qa query queue quick random range rate raw read reader ready real realm reason rec receive record recover recovery redirect redis ref reference \
    refresh regex region register registry reject release reload remote remove repeat replace reply repo report repository req request required reset \
    resolve resource resp response rest restore result results ret retry return returned revoke right role root rotate route router row rsa rule rules \
    run runner runtime safe salt same sample sandbox save scan schema scheme scope screen script search sec second seconds secret secrets section \
    secure security seed select self send sender sentinel seq server service session set setting settings setup sha shadow shared shell short should \
    show sig sign signature signed signer signing simple single site size skip slack sleep slot small smtp snapshot so socket some something sort \
    source space spec special split spring sql src ssh ssl ssm sso staging stamp standard start state static status step stop storage store str stream \
    strict string strings strip strong struct stub style sub subject submit suffix super support swagger switch symbol sync sys system table tag tags target \
    task team temp template tenant term terminal test tester testing tests text that the then there this thread time timeout timestamp title tls tmp to \
    token tokens tool top topic total trace track transaction transform transport tree trigger true trust try txt type types uid undefined unique unit unix \
    unknown unsafe unset until up update updated upload upper uri url usage use used user username users using util utils uuid val valid validate value \
    values var variable variables vault vendor verb verify version via view virtual visible void wait wallet want warn was watch we web webhook welcome \
    when where while widget will window with word work worker world wrap write writer wrong www xml yaml yes yml you your zero zip zone bob alice joe jane \
    john derek ivan carol dave eve mary peter tom acc lego nkey nkeys sftp scp ldap kms iam hawk mqtt pwds pws qwerty letmein monkey dragon passw0rd secure \
    oidc saml otp totp mfa pin psk tsig ttl dkim spf csr crl der ocsp ecdsa ecdh eddsa aes gcm cbc ctr otc ns cn ou dc va ca co uk de fr us eu en es";

/// Pairs of letters that English words have: for each first letter, the second ones.
const PAIRS: [&str; 26] = [
    "abcdfgiklmnprstuvwxy",
    "abceijlorsuy",
    "acdefhiklmorstuy",
    "abcdefgiloprstuy",
    "abcdefgilmnopqrstuvwxy",
    "aefilorstuy",
    "aeghilnorstu",
    "aeilorty",
    "abcdefglmnoprstvxz",
    "aeou",
    "aeils",
    "adefilnopstuvy",
    "abeilmopsu",
    "acdefgiklnoprstuvy",
    "abcdfgiklmnoprstuvwx",
    "acdehiloprstuy",
    "u",
    "abcdefgiklmnoprstuvy",
    "acdefhiklmnopstuwy",
    "acdefhilmoprstuwy",
    "abcdefgilmnoprst",
    "aeio",
    "aehinors",
    "ceimpt",
    "eilmnopst",
    "eiz",
];

const fn pair_bits() -> [u32; 26] {
    let mut bits = [0; 26];
    let mut first = 0;
    while first < 26 {
        let letters = PAIRS[first].as_bytes();
        let mut second = 0;
        while second < letters.len() {
            bits[first] |= 1 << (letters[second] - b'a');
            second += 1;
        }
        first += 1;
    }
    bits
}

const PAIR_BITS: [u32; 26] = pair_bits();

/// The words that are known by themselves.
#[derive(Debug)]
pub struct Words(std::collections::HashSet<&'static [u8], foldhash::fast::FixedState>);

/// Letters of the longest text that is taken apart into words.
const APART_BYTES: usize = 48;
/// Letters of the longest word of the list, at least.
const LONGEST: usize = 16;

impl Words {
    /// All of them.
    pub fn new() -> Self {
        Self(COMMON.split_ascii_whitespace().map(str::as_bytes).collect())
    }

    /// Whether this is a word of the list, in lower case.
    pub fn has(&self, word: &[u8]) -> bool {
        self.0.contains(word)
    }

    /// Whether lower-case letters are nothing but words of the list, one after the other.
    pub fn make_up(&self, letters: &[u8]) -> bool {
        if letters.is_empty() || letters.len() > APART_BYTES {
            return false;
        }
        // One bit for each place that words lead up to.
        let mut reached = 1u64;
        for end in 1..=letters.len() {
            let starts = end.saturating_sub(LONGEST)..end;
            let word = |start: usize| {
                // Words of one letter make up anything.
                reached >> start & 1 != 0 && end - start > 1 && self.has(&letters[start..end])
            };
            if starts.into_iter().any(word) {
                reached |= 1 << end;
            }
        }
        reached >> letters.len() & 1 != 0
    }
}

/// How many pairs of neighbouring letters there are in a text, and how many of them English does not have.
pub fn pairs(text: &[u8]) -> (usize, usize) {
    let letter = |byte: u8| byte.is_ascii_alphabetic().then(|| usize::from(byte.to_ascii_lowercase() - b'a'));
    let (mut all, mut odd) = (0, 0);
    for pair in text.windows(2) {
        if let (Some(first), Some(second)) = (letter(pair[0]), letter(pair[1])) {
            all += 1;
            odd += usize::from(PAIR_BITS[first] >> second & 1 == 0);
        }
    }
    (all, odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_code_are_words_and_random_letters_are_not() {
        let words = Words::new();
        for text in ["password", "myapikey", "accesstokensecret", "apikeyvaluehere"] {
            assert!(words.make_up(text.as_bytes()), "{text}");
        }
        for text in ["", "qzvtkw", "tokenqzv", "x"] {
            assert!(!words.make_up(text.as_bytes()), "{text}");
        }
        assert_eq!((pairs(b"understanding").1, pairs(b"qzvtkwpx").1), (0, 7));
    }
}
