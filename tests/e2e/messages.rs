//! Messages on an HTTP/1 connection and what becomes of each: a table, by what they play with.
//!
//! Texts are bytes: each character stands for the byte of its number. `guard` sends them through the gateway.

use clawgress::perceive::request::guard::Refusal::{self, *};

/// What must become of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// The upstream gets these request lines, and no other byte than those of these requests.
    Passes(&'static [&'static str]),
    /// The guard refuses it for this reason, and the upstream gets nothing.
    Refused(Refusal),
    /// It is well formed and for somebody else: 421.
    Mismatch,
    /// It is well formed and its path means different things to different servers: 400.
    Path,
}

use Verdict::{Mismatch, Passes, Path, Refused as No};

/// One message.
pub struct Row {
    /// What it is.
    pub what: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What must become of it.
    pub verdict: Verdict,
}

/// The one request line of most messages that pass.
const X: Verdict = Passes(&["GET /x"]);
const P: Verdict = Passes(&["POST /x"]);

/// Every message.
pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |category: &str, list: Vec<(&str, String, Verdict)>| {
        for (what, text, verdict) in list {
            let bytes = text.chars().map(|c| u8::try_from(u32::from(c)).expect("one byte")).collect();
            rows.push(Row { what: format!("{category}: {what}"), bytes, verdict });
        }
    };
    add("request line", request_lines());
    add("method", methods());
    add("version", versions());
    add("target", targets());
    add("in front", in_front());
    add("line end", line_ends());
    add("field", fields());
    add("host", hosts());
    add("length", lengths());
    add("coding", codings());
    add("chunk", chunks());
    add("trailer", trailers());
    add("connection", connections());
    add("bound", bounds());
    rows
}

type List = Vec<(&'static str, String, Verdict)>;

fn line(line: &str) -> String {
    format!("{line}\r\nHost: site.example\r\n\r\n")
}

fn get(field: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: site.example\r\n{field}\r\n\r\n")
}

fn post(field: &str, body: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: site.example\r\n{field}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

fn request_lines() -> List {
    vec![
        ("plain", line("GET /x HTTP/1.1"), X),
        ("no version", line("GET /x"), No(RequestLine)),
        ("HTTP/0.9", "GET /x\r\n".to_owned(), No(RequestLine)),
        ("HTTP/0.9 with a bare LF", "GET /x\n".to_owned(), No(BareLineFeed)),
        ("two spaces", line("GET  /x HTTP/1.1"), No(RequestLine)),
        ("two spaces before the version", line("GET /x  HTTP/1.1"), No(RequestLine)),
        ("space in front", line(" GET /x HTTP/1.1"), No(RequestLine)),
        ("space behind", line("GET /x HTTP/1.1 "), No(RequestLine)),
        ("tab behind", line("GET /x HTTP/1.1\t"), No(Version)),
        ("tab for a space", line("GET\t/x HTTP/1.1"), No(RequestLine)),
        ("vertical tab for a space", line("GET\u{b}/x HTTP/1.1"), No(Control)),
        ("form feed for a space", line("GET\u{c}/x HTTP/1.1"), No(Control)),
        ("CR for a space", line("GET\r/x HTTP/1.1"), No(Control)),
        ("NUL for a space", line("GET\0/x HTTP/1.1"), No(Control)),
        ("no-break space for a space", line("GET\u{a0}/x HTTP/1.1"), No(RequestLine)),
        ("a space in the target", line("GET /x y HTTP/1.1"), No(RequestLine)),
        ("a second version", line("GET /x HTTP/1.1 HTTP/1.0"), No(RequestLine)),
        ("a field for a line", "Host: site.example\r\n\r\n".to_owned(), No(RequestLine)),
        ("a status line", line("HTTP/1.1 200 OK"), No(Method)),
        ("only the method", "GET\r\n\r\n".to_owned(), No(RequestLine)),
        ("CR in the line", line("GET /x HTTP/1.1\rX: y"), No(Control)),
        ("ESC in the line", line("GET /x\u{1b} HTTP/1.1"), No(Control)),
    ]
}

fn methods() -> List {
    vec![
        ("registered and rare", line("PROPFIND /x HTTP/1.1"), Passes(&["PROPFIND /x"])),
        ("unknown", line("FROB-1.2_X /x HTTP/1.1"), Passes(&["FROB-1.2_X /x"])),
        ("with a hyphen", line("M-SEARCH /x HTTP/1.1"), Passes(&["M-SEARCH /x"])),
        ("lower case", line("get /x HTTP/1.1"), No(Method)),
        ("mixed case", line("Get /x HTTP/1.1"), No(Method)),
        ("no token", line("G=\":<>(e),[T];?\" /x HTTP/1.1"), No(Method)),
        ("a token of signs", line("G!T /x HTTP/1.1"), No(Method)),
        ("not ASCII", line("G\u{c9}T /x HTTP/1.1"), No(Method)),
        ("a colon", line("GET: /x HTTP/1.1"), No(Method)),
        ("too long", line(&format!("{} /x HTTP/1.1", "M".repeat(33))), No(Method)),
        ("CONNECT", line("CONNECT site.example:443 HTTP/1.1"), No(Connect)),
        ("CONNECT of a path", line("CONNECT /x HTTP/1.1"), No(Connect)),
        ("RTSP's", line("DESCRIBE /x HTTP/1.1"), No(Rtsp)),
        ("SIP's over another protocol", line("INVITE sip:a@b SIP/2.0"), No(Version)),
        ("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), No(Version)),
        ("a preface with a known version", line("PRI * HTTP/1.1"), No(Asterisk)),
    ]
}

fn versions() -> List {
    let mut list = vec![
        ("1.1", line("GET /x HTTP/1.1"), X),
        ("1.0", line("GET /x HTTP/1.0"), X),
        ("1.0 without Host", "GET /x HTTP/1.0\r\n\r\n".to_owned(), No(HostMissing)),
    ];
    for version in [
        "HTTP/1.2",
        "HTTP/1.32",
        "HTTP/1.10",
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/11.1",
        "HTTP/2.0",
        "HTTP/2",
        "HTTP/3.0",
        "HTTP/0.9",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/1,1",
        "HTTP/+1.1",
        "HTTP/1.1x",
        "http/1.1",
        "HtTP/1.1",
        "HTTPS/1.1",
        "HTTP 1.1",
        "HTTP\\1.1",
        "JUNK/1.1",
        "ICE/1.0",
        "RTSP/1.0",
    ] {
        let refusal = if version.contains(' ') { RequestLine } else { Version };
        list.push((version, line(&format!("GET /x {version}")), No(refusal)));
    }
    list
}

fn targets() -> List {
    vec![
        (
            "a query with odd bytes",
            line("GET /x?a=[1]&b={2}|^`\\ HTTP/1.1"),
            Passes(&["GET /x?a=[1]&b={2}|^`\\"]),
        ),
        ("absolute", line("GET https://site.example/x HTTP/1.1"), X),
        ("absolute in capitals", line("GET HTTPS://SITE.EXAMPLE:443/x HTTP/1.1"), X),
        ("absolute of another scheme", line("GET http://site.example:443/x HTTP/1.1"), No(HostDisagrees)),
        (
            "absolute of another scheme with its port",
            "GET http://site.example:443/x HTTP/1.1\r\nHost: site.example:443\r\n\r\n".to_owned(),
            Mismatch,
        ),
        ("absolute of another host", line("GET https://other.example/x HTTP/1.1"), No(HostDisagrees)),
        (
            "absolute of another host, Host too",
            "GET https://other.example/x HTTP/1.1\r\nHost: other.example\r\n\r\n".to_owned(),
            Mismatch,
        ),
        ("absolute of another port", line("GET https://site.example:8443/x HTTP/1.1"), No(HostDisagrees)),
        (
            "absolute with user information",
            line("GET https://site.example@other.example/x HTTP/1.1"),
            No(Userinfo),
        ),
        ("absolute without a host", line("GET https:///x HTTP/1.1"), No(TargetForm)),
        (
            "absolute with a backslash",
            line("GET https://site.example\\@other.example/x HTTP/1.1"),
            No(Userinfo),
        ),
        ("absolute without Host", "GET https://site.example/x HTTP/1.1\r\n\r\n".to_owned(), No(HostMissing)),
        ("absolute of FTP", line("GET ftp://site.example/x HTTP/1.1"), No(TargetForm)),
        ("absolute of a file", line("GET file:///etc/passwd HTTP/1.1"), No(TargetForm)),
        ("an authority", line("GET site.example:443 HTTP/1.1"), No(TargetForm)),
        ("a relative path", line("GET x HTTP/1.1"), No(TargetForm)),
        ("a question mark alone", line("GET ?x HTTP/1.1"), No(TargetForm)),
        ("an asterisk for OPTIONS", line("OPTIONS * HTTP/1.1"), Passes(&["OPTIONS *"])),
        ("an asterisk for GET", line("GET * HTTP/1.1"), No(Asterisk)),
        ("an asterisk and more", line("OPTIONS *x HTTP/1.1"), No(TargetForm)),
        ("a fragment", line("GET /x#y HTTP/1.1"), No(Target)),
        ("a fragment in the query", line("GET /x?y#z HTTP/1.1"), No(Target)),
        ("a quote", line("GET /x?\"y\" HTTP/1.1"), No(Target)),
        ("angle brackets", line("GET /<x> HTTP/1.1"), No(Target)),
        ("a backslash in the path", line("GET /x\\y HTTP/1.1"), No(Target)),
        ("bytes that are not ASCII", line("GET /\u{c3}\u{bc} HTTP/1.1"), No(Target)),
        ("DEL", line("GET /x\u{7f} HTTP/1.1"), No(Control)),
        ("dot segments", line("GET /y/../x HTTP/1.1"), X),
        ("encoded dot segments", line("GET /y/%2e%2e/x HTTP/1.1"), X),
        ("half an escape", line("GET /x% HTTP/1.1"), Path),
        ("an encoded NUL", line("GET /x%00 HTTP/1.1"), Path),
        ("dots behind an encoded slash", line("GET /y%2F..%2Fx HTTP/1.1"), Path),
        ("dots with a parameter", line("GET /y/..;a/x HTTP/1.1"), Path),
        ("double slashes", line("GET //other.example/x HTTP/1.1"), Passes(&["GET //other.example/x"])),
    ]
}

fn in_front() -> List {
    let good = line("GET /x HTTP/1.1");
    vec![
        ("an empty line", format!("\r\n{good}"), X),
        ("two empty lines", format!("\r\n\r\n{good}"), No(EmptyLines)),
        ("a bare LF", format!("\n{good}"), No(BareLineFeed)),
        ("a bare CR", format!("\r{good}"), No(Control)),
        ("NUL", format!("\0{good}"), No(Control)),
        ("a byte order mark", format!("\u{ef}\u{bb}\u{bf}{good}"), No(Method)),
        ("a chunk's end", format!("0\r\n\r\n{good}"), No(RequestLine)),
        ("an empty line between", format!("{good}\r\n{good}"), Passes(&["GET /x", "GET /x"])),
        ("two empty lines between", format!("{good}\r\n\r\n{good}"), Passes(&["GET /x"])),
    ]
}

fn line_ends() -> List {
    vec![
        ("LF everywhere", "GET /x HTTP/1.1\nHost: site.example\n\n".to_owned(), No(BareLineFeed)),
        (
            "LF behind the request line",
            "GET /x HTTP/1.1\nHost: site.example\r\n\r\n".to_owned(),
            No(BareLineFeed),
        ),
        ("LF behind a field", "GET /x HTTP/1.1\r\nHost: site.example\n\r\n".to_owned(), No(BareLineFeed)),
        ("LF for the empty line", "GET /x HTTP/1.1\r\nHost: site.example\r\n\n".to_owned(), No(BareLineFeed)),
        ("LF in a value", get("X: a\nTransfer-Encoding: chunked"), No(BareLineFeed)),
        ("CR in a value", get("X: a\rTransfer-Encoding: chunked"), No(Control)),
        ("CR CR LF", get("X: a\r"), No(Control)),
        (
            "CR for the empty line",
            "GET /x HTTP/1.1\r\nHost: site.example\r\n\r\r\n\r\n".to_owned(),
            No(Control),
        ),
        ("LF CR", "GET /x HTTP/1.1\n\rHost: site.example\r\n\r\n".to_owned(), No(BareLineFeed)),
        ("CR alone everywhere", "GET /x HTTP/1.1\rHost: site.example\r\r\n\r\n".to_owned(), No(Control)),
    ]
}

fn fields() -> List {
    vec![
        ("no space behind the colon", get("X:a"), X),
        ("blanks around the value", get("X: \t a \t "), X),
        ("an empty value", get("X:"), X),
        ("text beyond ASCII", get("X: \u{e9}\u{ff}"), X),
        ("a long name of signs", get("X-!#$%&'*+.^_`|~9: a"), X),
        ("a colon in the value", get("X: a:b"), X),
        ("space before the colon", get("X : a"), No(FieldName)),
        ("tab before the colon", get("X\t: a"), No(FieldName)),
        ("space in the name", get("X Y: a"), No(FieldName)),
        ("no name", get(": a"), No(FieldName)),
        ("no colon", get("X"), No(FieldName)),
        ("a name beyond ASCII", get("X\u{ef}: a"), No(FieldName)),
        ("a name in brackets", get("[X]: a"), No(FieldName)),
        ("a name in quotes", get("\"X\": a"), No(FieldName)),
        ("NUL in the name", get("X\0Y: a"), No(Control)),
        ("NUL in the value", get("X: a\0b"), No(Control)),
        ("NUL at the end", get("X: a\0"), No(Control)),
        ("backspace in the value", get("X: a\u{8}"), No(Control)),
        ("vertical tab in the value", get("X: a\u{b}b"), No(Control)),
        ("ESC in the value", get("X: \u{1b}[31m"), No(Control)),
        ("DEL in the value", get("X: a\u{7f}"), No(Control)),
        ("folded with a space", get("X: a\r\n b"), No(Folded)),
        ("folded with a tab", get("X: a\r\n\tb"), No(Folded)),
        ("folded, first", "GET /x HTTP/1.1\r\n Host: site.example\r\n\r\n".to_owned(), No(Folded)),
        ("folded, and nothing", get("X: a\r\n "), No(Folded)),
        ("a folded length", post("Content-Length:\r\n 5", "hello"), No(ContentLength)),
        ("a folded coding", post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"), No(TransferEncoding)),
    ]
}

fn hosts() -> List {
    let host = |host: &str| format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    vec![
        ("with the port", host("site.example:443"), X),
        ("in capitals, with a dot", host("SITE.Example."), X),
        ("missing", "GET /x HTTP/1.1\r\nX: a\r\n\r\n".to_owned(), No(HostMissing)),
        ("empty", host(""), No(HostInvalid)),
        ("twice", get("Host: site.example"), No(HostRepeated)),
        ("twice and different", get("HOST: other.example"), No(HostRepeated)),
        ("a list", host("site.example, other.example"), No(HostInvalid)),
        ("two words", host("site.example other.example"), No(HostInvalid)),
        ("user information", host("me@site.example"), No(Userinfo)),
        ("an empty port", host("site.example:"), No(HostInvalid)),
        ("port 0", host("site.example:0"), No(HostInvalid)),
        ("a padded port", host("site.example:0443"), No(HostInvalid)),
        ("a port beyond", host("site.example:65979"), No(HostInvalid)),
        ("another port", host("site.example:8443"), Mismatch),
        ("another host", host("other.example"), Mismatch),
        ("the address", host("192.0.2.11"), Mismatch),
        ("a host with a path", host("site.example/x"), No(HostInvalid)),
        ("a URL", host("https://site.example"), No(HostInvalid)),
        ("percent-encoded", host("site%2eexample"), No(HostInvalid)),
        ("a label of an underscore and more", host("site.example.other.example"), Mismatch),
        ("an address in odd writing", host("0xc0.0.2.11"), No(HostInvalid)),
        ("a zone", host("[fe80::1%25eth0]"), No(HostInvalid)),
        ("half a bracket", host("[2001:db8::1"), No(HostInvalid)),
    ]
}

fn lengths() -> List {
    let length = |length: &str| post(&format!("Content-Length: {length}"), "hello");
    vec![
        ("plain", length("5"), P),
        ("with blanks", length(" \t5\t "), P),
        ("with a zero in front, which some take for octal", length("05"), No(ContentLength)),
        ("none", post("X: a", ""), P),
        ("0", post("Content-Length: 0", ""), P),
        ("of GET", "GET /x HTTP/1.1\r\nHost: site.example\r\nContent-Length: 5\r\n\r\nhello".to_owned(), X),
        ("empty", length(""), No(ContentLength)),
        ("signed", length("+5"), No(ContentLength)),
        ("negative", length("-5"), No(ContentLength)),
        ("negative zero", length("-0"), No(ContentLength)),
        ("hexadecimal", length("0x5"), No(ContentLength)),
        ("hexadecimal without a mark", length("a"), No(ContentLength)),
        ("with underscores", length("1_0"), No(ContentLength)),
        ("two words", length("5 6"), No(ContentLength)),
        ("a list of one value", length("5, 5"), No(ContentLength)),
        ("a list of two values", length("5, 6"), No(ContentLength)),
        ("a comma behind", length("5,"), No(ContentLength)),
        ("a fraction", length("5.0"), No(ContentLength)),
        ("an exponent", length("5e0"), No(ContentLength)),
        ("quoted", length("\"5\""), No(ContentLength)),
        ("letters behind", length("5abc"), No(ContentLength)),
        ("digits beyond ASCII", length("\u{b2}"), No(ContentLength)),
        ("past 64 bits", length("18446744073709551621"), No(ContentLength)),
        ("past 63 bits", length("9223372036854775808"), No(ContentLength)),
        ("twice", length("5\r\nContent-Length: 5"), No(ContentLengthRepeated)),
        ("twice and different", length("5\r\nContent-Length: 6"), No(ContentLengthRepeated)),
        ("twice in another case", length("5\r\ncontent-length: 0"), No(ContentLengthRepeated)),
        ("NUL behind", length("5\0"), No(Control)),
        ("vertical tab in front", length("\u{b}5"), No(Control)),
        ("space before the colon", post("Content-Length : 5", "hello"), No(FieldName)),
        ("with an underscore", post("Content_Length: 5", ""), No(Underscore)),
        ("another name with the same beginning", post("Content-Length-X: 5", ""), P),
        (
            "a body that looks like a request",
            post("Content-Length: 46", "GET /smuggled HTTP/1.1\r\nHost: site.example\r\n\r\n"),
            P,
        ),
        ("less than what follows", post("Content-Length: 3", "hello"), Passes(&["POST /x"])),
    ]
}

fn codings() -> List {
    let coding = |coding: &str| post(&format!("Transfer-Encoding:{coding}"), "0\r\n\r\n");
    vec![
        ("chunked", coding(" chunked"), P),
        ("in capitals, with tabs", coding("\tCHUNKED\t"), P),
        (
            "of GET",
            "GET /x HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            X,
        ),
        ("and a length", coding(" chunked\r\nContent-Length: 5"), No(BothLengths)),
        (
            "behind a length",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
            No(BothLengths),
        ),
        ("and a length of 0", coding(" chunked\r\nContent-Length: 0"), No(BothLengths)),
        ("twice in a list", coding(" chunked, chunked"), No(TransferEncoding)),
        ("in two fields", coding(" chunked\r\nTransfer-Encoding: chunked"), No(TransferEncoding)),
        ("with identity behind", coding(" chunked\r\nTransfer-Encoding: identity"), No(TransferEncoding)),
        ("with identity in front", coding(" identity, chunked"), No(TransferEncoding)),
        ("identity", coding(" identity"), No(TransferEncoding)),
        ("gzip", coding(" gzip"), No(TransferEncoding)),
        ("gzip, chunked", coding(" gzip, chunked"), No(TransferEncoding)),
        ("chunked, gzip", coding(" chunked, gzip"), No(TransferEncoding)),
        ("an unknown one", coding(" cow"), No(TransferEncoding)),
        ("empty", coding(""), No(TransferEncoding)),
        ("a comma behind", coding(" chunked,"), No(TransferEncoding)),
        ("a comma in front", coding(" ,chunked"), No(TransferEncoding)),
        ("a parameter", coding(" chunked;q=1"), No(TransferEncoding)),
        ("quoted", coding(" \"chunked\""), No(TransferEncoding)),
        ("in single quotes", coding(" 'chunked'"), No(TransferEncoding)),
        ("smashed", coding(" chunkedchunked"), No(TransferEncoding)),
        ("cut", coding(" chunke"), No(TransferEncoding)),
        ("with an x", coding(" xchunked"), No(TransferEncoding)),
        ("two words", coding(" chunked x"), No(TransferEncoding)),
        ("a byte beyond ASCII in front", coding("\u{ff}chunked"), No(TransferEncoding)),
        ("a no-break space in front", coding("\u{a0}chunked"), No(TransferEncoding)),
        ("a byte beyond ASCII in it", coding(" ch\u{96}nked"), No(TransferEncoding)),
        ("vertical tab in front", coding("\u{b}chunked"), No(Control)),
        ("form feed behind", coding(" chunked\u{c}"), No(Control)),
        ("NUL behind", coding(" chunked\0"), No(Control)),
        ("CR behind", coding(" chunked\r"), No(Control)),
        ("behind a bare LF", post("X: a\nTransfer-Encoding: chunked", "0\r\n\r\n"), No(BareLineFeed)),
        ("space in front of the name", post("X: a\r\n Transfer-Encoding: chunked", "0\r\n\r\n"), No(Folded)),
        ("space before the colon", post("Transfer-Encoding : chunked", "0\r\n\r\n"), No(FieldName)),
        ("tab before the colon", post("Transfer-Encoding\t: chunked", "0\r\n\r\n"), No(FieldName)),
        ("a space for the hyphen", post("Transfer Encoding: chunked", "0\r\n\r\n"), No(FieldName)),
        ("an underscore for the hyphen", post("Transfer_Encoding: chunked", "0\r\n\r\n"), No(Underscore)),
        ("CR in the name", post("Transfer\r-Encoding: chunked", "0\r\n\r\n"), No(Control)),
        ("a name beyond ASCII", post("Transf\u{82}r-Encoding: chunked", "0\r\n\r\n"), No(FieldName)),
        (
            "of HTTP/1.0",
            "POST /x HTTP/1.0\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            No(TransferEncodingOld),
        ),
    ]
}

fn chunks() -> List {
    vec![
        ("two", chunked("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), P),
        ("size in capitals and zeros", chunked("00A\r\n0123456789\r\n000\r\n\r\n"), P),
        ("extensions", chunked("1;a;b=c;d=\"e\\\" f\"\r\nx\r\n0;z\r\n\r\n"), P),
        (
            "data that looks like a request",
            chunked("2e\r\nGET /smuggled HTTP/1.1\r\nHost: site.example\r\n\r\n\r\n0\r\n\r\n"),
            P,
        ),
        ("no size", chunked("\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("0x", chunked("0x1\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("a sign", chunked("+1\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("negative", chunked("-1\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("negative zero", chunked("-0\r\n\r\n"), No(ChunkSize)),
        ("an underscore", chunked("0_2e\r\n\r\n"), No(ChunkSize)),
        ("no digits of hexadecimal", chunked("1g\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("space in front", chunked(" 1\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("space behind", chunked("1 \r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("tab behind", chunked("1\t\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("CR behind", chunked("1\r\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("CR and an extension", chunked("5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n"), No(ChunkSize)),
        ("a word behind", chunked("1 x\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("past 64 bits", chunked("10000000000000001\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("past 60 bits", chunked("fffffffffffffffff\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("LF behind the size", chunked("1\nx\r\n0\r\n\r\n"), No(BareLineFeed)),
        ("LF behind the last size", chunked("0\n\r\n"), No(BareLineFeed)),
        ("LF behind the data", chunked("1\r\nx\n0\r\n\r\n"), No(ChunkEnd)),
        ("CR behind the data", chunked("1\r\nx\r0\r\n\r\n"), No(ChunkEnd)),
        ("nothing behind the data", chunked("1\r\nx0\r\n\r\n"), No(ChunkEnd)),
        ("longer than its size", chunked("1\r\nxyz\r\n0\r\n\r\n"), No(ChunkEnd)),
        ("shorter than its size", chunked("5\r\nx\r\n0\r\n\r\n"), No(ChunkEnd)),
        ("an empty extension", chunked("1;\r\nx\r\n0\r\n\r\n"), No(ChunkExtension)),
        ("space in front of an extension", chunked("1 ;a\r\nx\r\n0\r\n\r\n"), No(ChunkSize)),
        ("space in an extension", chunked("1; a\r\nx\r\n0\r\n\r\n"), No(ChunkExtension)),
        ("an extension without a value", chunked("1;a=\r\nx\r\n0\r\n\r\n"), No(ChunkExtension)),
        ("LF in an extension", chunked("1;a\nx\r\n0\r\n\r\n"), No(BareLineFeed)),
        ("LF in a quoted extension", chunked("1;a=\"\n\"\r\nx\r\n0\r\n\r\n"), No(BareLineFeed)),
        ("CR in an extension", chunked("1;a\rb\r\nx\r\n0\r\n\r\n"), No(ChunkExtension)),
        ("NUL in an extension", chunked("1;a\0\r\nx\r\n0\r\n\r\n"), No(ChunkExtension)),
        ("an open quote", chunked("1;a=\"b\r\nx\r\n0\r\n\r\n"), No(ChunkExtension)),
    ]
}

fn trailers() -> List {
    let trailer = |trailer: &str| chunked(&format!("1\r\nx\r\n0\r\n{trailer}\r\n\r\n"));
    vec![
        ("one", trailer("X-Sum: 1"), P),
        ("a length", trailer("Content-Length: 5"), No(TrailerField)),
        ("a coding", trailer("Transfer-Encoding: chunked"), No(TrailerField)),
        ("a host", trailer("Host: other.example"), No(TrailerField)),
        ("a credential", trailer("Authorization: x"), No(TrailerField)),
        ("a connection option", trailer("Connection: close"), No(TrailerField)),
        ("folded", trailer("X: a\r\n b"), No(Folded)),
        ("no colon", trailer("X"), No(FieldName)),
        ("space before the colon", trailer("X : a"), No(FieldName)),
        ("NUL", trailer("X: \0"), No(Control)),
        ("a bare LF", trailer("X: a\nY: b"), No(BareLineFeed)),
        ("a request", trailer("GET /smuggled HTTP/1.1"), No(FieldName)),
    ]
}

fn connections() -> List {
    vec![
        ("keep-alive", get("Connection: keep-alive"), X),
        ("options that name nothing", get("Connection: keep-alive, , x"), X),
        ("close, and more behind", get("Connection: close") + &line("GET /smuggled HTTP/1.1"), X),
        ("close among options", get("Connection: x, Close,y") + &line("GET /smuggled HTTP/1.1"), X),
        ("a length named away", post("Connection: content-length\r\nContent-Length: 5", "hello"), P),
        ("a host named away", get("Connection: host"), X),
        ("no token", get("Connection: a b"), No(Connection)),
        ("too many options", get(&format!("Connection: {}", "a,".repeat(33))), No(Connection)),
        (
            "an upgrade to HTTP/2",
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA"),
            X,
        ),
        ("an upgrade without the option", get("Upgrade: websocket"), X),
        ("another expectation", get("Expect: 200-ok"), No(Expect)),
        ("two expectations", get("Expect: 100-continue\r\nExpect: 100-continue"), No(Expect)),
    ]
}

fn bounds() -> List {
    let many = |number: usize| get(&vec!["X: a"; number].join("\r\n"));
    let big = format!("X: {}", "a".repeat(30_000));
    vec![
        ("as many fields as may be", many(199), X),
        ("one field more", many(200), No(TooManyFields)),
        ("a long field", get(&big), X),
        ("a field too long", get(&format!("X: {}", "a".repeat(33_000))), No(LineTooLong)),
        ("a head too large", get(&[&*big, &*big, &*big].join("\r\n")), No(HeadTooLarge)),
        ("a target too long", line(&format!("GET /{} HTTP/1.1", "x".repeat(33_000))), No(LineTooLong)),
        ("a size line too long", chunked(&format!("1;{}\r\nx\r\n", "a".repeat(4_096))), No(LineTooLong)),
        (
            "extensions too long",
            chunked(&format!("1;{}\r\nx\r\n", "a".repeat(4_000)).repeat(3)),
            No(ChunkExtension),
        ),
        (
            "a trailer too large",
            chunked(&format!("0\r\n{}", "X: aaaaaaaaaaaaaaaa\r\n".repeat(250))),
            No(TooManyFields),
        ),
        (
            "trailers too long",
            chunked(&format!("0\r\nX: {}\r\n\r\n", "a".repeat(4_096))),
            No(TrailerTooLarge),
        ),
    ]
}
