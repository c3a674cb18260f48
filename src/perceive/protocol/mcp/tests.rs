//! Claims about what is read of clients, and about what is left of the answers of servers.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::model::types::limits::{
    MCP_ANSWER_BYTES, MCP_BATCH, MCP_ID_BYTES, MCP_METHOD_BYTES, MCP_NAME_BYTES, MCP_URI_BYTES,
};
use crate::model::types::{ToolPattern, ToolSieve};

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let mut headers = HeaderMap::new();
    fields.iter().map(field).for_each(|(name, value)| _ = headers.append(name, value));
    headers
}

fn plain(body: &str) -> Result<Messages, Malformed> {
    read(body.as_bytes(), &HeaderMap::new())
}

/// A request of this method with this in `params`.
fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#)
}

#[test]
fn a_call_of_a_tool_is_read_with_its_name_and_where_its_arguments_stand() {
    let body = r#"{"params":{"arguments":{"to":{"name":"x"}},"name":"send_\u006dail"},"id":"a\"b","method":"tools/call","jsonrpc":"2.0"}"#;
    let read = plain(body).unwrap();
    assert_eq!((read.revision, read.is_batch), (Revision::V2025_03_26, false));
    let [call] = &read.messages[..] else { panic!("{read:?}") };
    assert_eq!(call.kind, Kind::Request);
    assert_eq!(call.id.as_ref().unwrap().as_json(), r#""a\"b""#);
    assert_eq!(call.tool(), Some("send_mail"));
    assert_eq!(&body[call.arguments.clone().unwrap()], r#"{"to":{"name":"x"}}"#);
}

#[test]
fn requests_notifications_and_responses_are_told_apart() {
    for (body, kind, method) in [
        (r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#, Kind::Request, Some("ping")),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            Kind::Notification,
            Some("notifications/initialized"),
        ),
        (r#"{"jsonrpc":"2.0","id":"x","result":{"tools":[{"name":"a"}]}}"#, Kind::Response, None),
        (r#"{"jsonrpc":"2.0","id":-3,"error":{"code":1,"message":"no"}}"#, Kind::Response, None),
        (r#"{"jsonrpc":"2.0","error":{"code":1,"message":"no"}}"#, Kind::Response, None),
    ] {
        let read = plain(body).unwrap();
        assert_eq!((read.messages[0].kind, read.messages[0].method.as_deref()), (kind, method), "{body}");
    }
}

#[test]
fn a_notification_that_names_a_tool_calls_it_as_well() {
    let read = plain(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"send"}}"#).unwrap();
    assert_eq!((read.messages[0].kind, read.messages[0].tool()), (Kind::Notification, Some("send")));
    assert_eq!(read.waiting().ids, []);
}

#[test]
fn prompts_and_resources_have_names_and_are_no_tools() {
    for (method, params, name) in [
        ("prompts/get", r#""name":"greet","arguments":{}"#, "greet"),
        ("resources/read", r#""uri":"file:///a b""#, "file:///a b"),
    ] {
        let read = plain(&request(method, params)).unwrap();
        assert_eq!((read.messages[0].name.as_deref(), read.messages[0].tool()), (Some(name), None));
    }
    let other = plain(&request("completion/complete", r#""name":7,"arguments":[1]"#)).unwrap();
    assert_eq!((&other.messages[0].name, &other.messages[0].arguments), (&None, &None));
}

#[test]
fn what_two_readers_could_understand_differently_is_malformed() {
    let with = |members: &str| format!(r#"{{"jsonrpc":"2.0",{members}}}"#);
    for (body, malformed) in [
        (request("tools/call", r#""name":"a","name":"b""#), Malformed::Again("params.name")),
        (request("tools/call", r#""name":"a","n\u0061me":"b""#), Malformed::Again("params.name")),
        (request("tools/call", r#""name":"a","Name":"b""#), Malformed::Again("params.name")),
        (
            request("tools/call", r#""name":"a","arguments":{},"arguments":{}"#),
            Malformed::Again("params.arguments"),
        ),
        (with(r#""id":1,"method":"ping","method":"tools/list""#), Malformed::Again("method")),
        (with(r#""id":1,"method":"ping","Params":{}"#), Malformed::Again("params")),
        (with(r#""id":1,"id":2,"method":"ping""#), Malformed::Again("id")),
        (with(r#""id":1,"method":"ping","result":{}"#), Malformed::Kind),
        (with(r#""id":1,"error":{},"result":{}"#), Malformed::Kind),
        (with(r#""id":1"#), Malformed::Kind),
        (with(r#""result":{}"#), Malformed::Kind),
        (with(r#""id":null,"method":"ping""#), Malformed::Type("id")),
        (with(r#""id":1.0,"method":"ping""#), Malformed::Type("id")),
        (with(r#""id":1e2,"method":"ping""#), Malformed::Type("id")),
        (with(r#""id":-0,"method":"ping""#), Malformed::Type("id")),
        (with(r#""id":9007199254740992,"method":"ping""#), Malformed::Type("id")),
        (with(r#""id":[1],"method":"ping""#), Malformed::Type("id")),
        (with(r#""id":1,"method":["ping"]"#), Malformed::Type("method")),
        (with(r#""id":1,"method":"ping","params":[]"#), Malformed::Type("params")),
        (with(r#""id":1,"method":"ping","params":"x""#), Malformed::Type("params")),
        (request("tools/call", r#""name":["a"]"#), Malformed::Type("params.name")),
        (request("tools/call", r#""name":"a","arguments":[]"#), Malformed::Type("params.arguments")),
        (request("tools/call", r#""name":"a","arguments":"{}""#), Malformed::Type("params.arguments")),
        (request("tools/call", r#""name":null"#), Malformed::Lacks("params.name")),
        (request("tools/call", ""), Malformed::Lacks("params.name")),
        (with(r#""id":1,"method":"tools/call""#), Malformed::Lacks("params.name")),
        (request("resources/read", r#""name":"x""#), Malformed::Lacks("params.uri")),
        (request("tools/call", r#""name":"a\ud83d""#), Malformed::Character("params.name")),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(), Malformed::NoMessage),
        (r#"{"id":1,"method":"ping"}"#.to_owned(), Malformed::NoMessage),
        ("7".to_owned(), Malformed::NoMessage),
        ("\"ping\"".to_owned(), Malformed::NoMessage),
        ("[]".to_owned(), Malformed::Empty),
        ("[[]]".to_owned(), Malformed::NoMessage),
        ("[7]".to_owned(), Malformed::NoMessage),
        (format!("[{0},{0}]", request("ping", "")), Malformed::SameId),
    ] {
        assert_eq!(plain(&body), Err(malformed), "{body}");
    }
    for bytes in
        [&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}"[..], b"", b"{", b"{}{}", b"\xef\xbb\xbf{}"]
    {
        assert!(matches!(read(bytes, &HeaderMap::new()), Err(Malformed::Json { .. })), "{bytes:?}");
    }
}

#[test]
fn what_is_longer_than_the_bounds_is_malformed() {
    let long = "x".repeat(MCP_URI_BYTES + 1);
    let with = |members: &str| format!(r#"{{"jsonrpc":"2.0",{members}}}"#);
    for (body, malformed) in [
        (
            request("tools/call", &format!(r#""name":"{}""#, &long[..=MCP_NAME_BYTES])),
            Malformed::TooLong { member: "params.name", most: MCP_NAME_BYTES },
        ),
        (
            request("resources/read", &format!(r#""uri":"{long}""#)),
            Malformed::TooLong { member: "params.uri", most: MCP_URI_BYTES },
        ),
        (
            request(&long[..=MCP_METHOD_BYTES], ""),
            Malformed::TooLong { member: "method", most: MCP_METHOD_BYTES },
        ),
        (
            with(&format!(r#""id":"{}","method":"ping""#, &long[..=MCP_ID_BYTES])),
            Malformed::TooLong { member: "id", most: MCP_ID_BYTES },
        ),
    ] {
        assert_eq!(plain(&body), Err(malformed), "{body}");
    }
}

#[test]
fn a_request_of_another_protocol_over_json_rpc_is_no_message_unless_something_says_so() {
    let whole = |body: &str, fields: &[(&str, &str)]| {
        let headers = headers(fields);
        let mut whole = Whole::begin(&headers).unwrap();
        whole.feed(body.as_bytes()).and_then(|_| whole.finish(&headers).map(|found| found.is_some()))
    };
    let other = r#"{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"0x0"},"latest"]}"#;
    assert_eq!(whole(other, &[]), Ok(false));
    assert_eq!(whole(&format!("[{other},{other}]"), &[]), Ok(false));
    let malformed = Err(Unreadable::Malformed(Malformed::Type("params")));
    assert_eq!(whole(other, &[(REVISION_FIELD, "2025-11-25")]), malformed, "a field says that it is one");
    let call =
        |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    assert_eq!(whole(&call("[]"), &[]), malformed, "a method of MCP");
    assert_eq!(
        whole(&format!(r#"[{other},{}]"#, call(r#"{"name":"a"}"#)), &[]),
        malformed,
        "one beside it is"
    );
    assert_eq!(whole(r#"{"jsonrpc":"2.0","id":1,"params":[]}"#, &[]), malformed, "it has no method");
    assert_eq!(whole(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, &[]), Ok(true));
}

#[test]
fn fields_that_repeat_arguments_say_what_some_argument_says() {
    let call = |arguments: &str| request("tools/call", &format!(r#""name":"find","arguments":{arguments}"#));
    let body = call(
        r#"{"region":"eu-w\u0065st","deep":{"n":42.0,"on":true},"list":["us"],"big":9007199254740993,"none":null}"#,
    );
    let disagrees = Err(Malformed::FieldDisagrees("Mcp-Param-*"));
    let twice = Err(Malformed::Field("Mcp-Param-*"));
    for (fields, expected) in [
        (&[("mcp-param-region", "eu-west")][..], Ok(())),
        (&[("Mcp-Param-Region", "=?base64?ZXUtd2VzdA==?=")], Ok(())),
        (&[("mcp-param-n", "42"), ("mcp-param-on", "true"), ("mcp-param-big", "9007199254740993")], Ok(())),
        (&[("mcp-param-region", "eu-wes")], disagrees),
        (&[("mcp-param-region", "eu-west-1")], disagrees),
        (&[("mcp-param-region", "us")], disagrees),
        (&[("mcp-param-n", "43")], disagrees),
        (&[("mcp-param-on", "True")], disagrees),
        (&[("mcp-param-big", "9007199254740992")], disagrees),
        (&[("mcp-param-none", "null")], disagrees),
        (&[("mcp-param-name", "find")], disagrees),
        (&[("mcp-param-region", "eu-west"), ("mcp-param-region", "eu-west")], twice),
        (&[("mcp-param-region", "=?base64?*?=")], twice),
    ] {
        assert_eq!(read(body.as_bytes(), &headers(fields)).map(drop), expected, "{fields:?}");
    }
    let none = read(request("ping", "").as_bytes(), &headers(&[("mcp-param-region", "eu")]));
    assert_eq!(none.map(drop), disagrees);
    let batch = format!("[{}]", call(r#"{"a":"b"}"#));
    assert_eq!(read(batch.as_bytes(), &headers(&[("mcp-param-a", "b")])).map(drop), disagrees);
}

#[test]
fn arguments_are_held_against_fields_however_they_are_cut() {
    let body = request("tools/call", r#""name":"find","arguments":{"n":-17.00,"text":"aüb","more":"aübc"}"#);
    for size in 1..=body.len() {
        for (value, agrees) in [("-17", true), ("=?base64?YcO8Yg==?=", true), ("a", false)] {
            let headers = headers(&[("mcp-param-x", value)]);
            let mut reading = super::reading::Reading::of(&headers);
            body.as_bytes().chunks(size).for_each(|piece| reading.feed(piece).unwrap());
            assert_eq!(reading.finish(&headers).is_ok(), agrees, "{value} in pieces of {size}");
        }
    }
}

#[test]
fn what_is_as_long_as_the_bounds_is_read() {
    let long = "x".repeat(MCP_NAME_BYTES);
    let read = plain(&request("tools/call", &format!(r#""name":"{long}""#))).unwrap();
    assert_eq!(read.messages[0].tool(), Some(&*long));
}

#[test]
fn a_batch_is_for_revisions_that_have_it_and_bounded() {
    let ping = |id: usize| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
    let batch = |most: usize| format!("[{}]", (0..most).map(ping).collect::<Vec<_>>().join(" , "));
    let read_as = |body: &str, revision| read(body.as_bytes(), &headers(&[(REVISION_FIELD, revision)]));
    let read = plain(&batch(MCP_BATCH)).unwrap();
    assert!(read.is_batch && read.messages.len() == MCP_BATCH && read.waiting().is_batch);
    assert_eq!(plain(&batch(MCP_BATCH + 1)), Err(Malformed::TooMany(MCP_BATCH)));
    assert!(read_as(&batch(1), "2025-03-26").unwrap().is_batch);
    for (name, revision) in [("2025-06-18", Revision::V2025_06_18), ("2026-07-28", Revision::V2026_07_28)] {
        assert_eq!(read_as(&batch(1), name), Err(Malformed::Batch(revision)));
    }
    assert_eq!(read_as(&ping(1), "2027-01-01"), Err(Malformed::Revision));
    assert_eq!(read_as(&ping(1), ""), Err(Malformed::Revision));
}

/// A body of revision 2026-07-28.
fn modern(method: &str, params: &str) -> String {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    request(method, &format!("{params}{}{meta}", if params.is_empty() { "" } else { "," }))
}

#[test]
fn fields_have_to_say_what_the_body_says() {
    const V: (&str, &str) = (REVISION_FIELD, "2026-07-28");
    const CALL: (&str, &str) = (METHOD_FIELD, "tools/call");
    let call = modern("tools/call", r#""name":"send""#);
    let umlaut = modern("tools/call", r#""name":"gr\u00fc\u00df""#);
    let coded = modern("tools/call", r#""name":"=?base64?eA==?=""#);
    let resource = modern("resources/read", r#""uri":"file:///x""#);
    let revision = Revision::V2026_07_28;
    let disagrees = |field| Err(Malformed::FieldDisagrees(field));
    for (body, fields, outcome) in [
        (&call, vec![V, CALL, (NAME_FIELD, "send")], Ok(())),
        (&call, vec![V, CALL, (NAME_FIELD, "=?base64?c2VuZA==?=")], Ok(())),
        (&umlaut, vec![V, CALL, (NAME_FIELD, "=?base64?Z3LDvMOf?=")], Ok(())),
        (&coded, vec![V, CALL, (NAME_FIELD, "=?base64?PT9iYXNlNjQ/ZUE9PT89?=")], Ok(())),
        (&resource, vec![V, (METHOD_FIELD, "resources/read"), (NAME_FIELD, "file:///x")], Ok(())),
        (&coded, vec![V, CALL, (NAME_FIELD, "=?base64?eA==?=")], disagrees("Mcp-Name")),
        (&call, vec![V, CALL, (NAME_FIELD, "Send")], disagrees("Mcp-Name")),
        (&call, vec![V, CALL, (NAME_FIELD, "read")], disagrees("Mcp-Name")),
        (&call, vec![V, (METHOD_FIELD, "tools/list"), (NAME_FIELD, "send")], disagrees("Mcp-Method")),
        (&call, vec![V, CALL, (NAME_FIELD, "=?base64?c2VuZA?=")], Err(Malformed::Field("Mcp-Name"))),
        (&call, vec![V, CALL, (NAME_FIELD, "send"), (NAME_FIELD, "send")], Err(Malformed::Field("Mcp-Name"))),
        (&call, vec![V, CALL, CALL, (NAME_FIELD, "send")], Err(Malformed::Field("Mcp-Method"))),
        (&call, vec![V, V, CALL], Err(Malformed::Field("MCP-Protocol-Version"))),
        (&call, vec![V, CALL], Err(Malformed::FieldMissing { field: "Mcp-Name", revision })),
        (
            &call,
            vec![V, (NAME_FIELD, "send")],
            Err(Malformed::FieldMissing { field: "Mcp-Method", revision }),
        ),
        // The body alone says that fields go with it, or fields another revision.
        (&call, vec![], disagrees("MCP-Protocol-Version")),
        (&call, vec![(REVISION_FIELD, "2025-11-25")], disagrees("MCP-Protocol-Version")),
    ] {
        let read = read(body.as_bytes(), &headers(&fields));
        assert_eq!(read.map(drop), outcome, "{fields:?} {body}");
    }
}

#[test]
fn fields_of_older_revisions_need_not_be_there_and_may_not_lie() {
    let call = request("tools/call", r#""name":"send""#);
    let ping = request("ping", "");
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let with = |body: &str, more: &[(&str, &str)]| {
            read(body.as_bytes(), &headers(&[&[(REVISION_FIELD, revision)], more].concat())).map(drop)
        };
        assert_eq!(with(&call, &[]), Ok(()));
        assert_eq!(with(&call, &[(NAME_FIELD, "read")]), Err(Malformed::FieldDisagrees("Mcp-Name")));
        assert_eq!(
            with(&ping, &[(METHOD_FIELD, "tools/call")]),
            Err(Malformed::FieldDisagrees("Mcp-Method"))
        );
        assert_eq!(with(&ping, &[(NAME_FIELD, "send")]), Err(Malformed::FieldDisagrees("Mcp-Name")));
    }
    let batch = format!("[{call}]");
    for field in [(METHOD_FIELD, "tools/call"), (NAME_FIELD, "send")] {
        let read = read(batch.as_bytes(), &headers(&[field]));
        assert!(matches!(read, Err(Malformed::FieldDisagrees(_))), "a list cannot be repeated: {read:?}");
    }
}

#[test]
fn a_notification_needs_no_fields_and_a_response_is_none_of_the_latest_revision() {
    let latest = headers(&[(REVISION_FIELD, "2026-07-28")]);
    let read = |body: &str| read(body.as_bytes(), &latest).map(drop);
    assert_eq!(read(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#), Ok(()));
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(read(response), Err(Malformed::Response(Revision::V2026_07_28)));
}

fn sieve(names: &[&str]) -> Arc<ToolSieve> {
    Arc::new(ToolSieve { lists: vec![names.iter().map(|name| ToolPattern((*name).into())).collect()] })
}

/// What is left of an answer of this type to this question, fed in pieces of this size.
fn left(asked: Option<&str>, media: &str, answer: &[u8], size: usize) -> Result<Vec<u8>, Broken> {
    let asked = asked.map(|body| plain(body).unwrap());
    let mut head = headers(&[("content-type", media), ("content-length", "5"), ("x-own", "1")]);
    let mut sieve = Sieve::new(sieve(&["read_*", "time"]), asked.as_ref(), &mut head)?;
    assert_eq!(head.keys().collect::<Vec<_>>(), ["content-type", "x-own"]);
    let mut on = Vec::new();
    answer.chunks(size).try_for_each(|piece| sieve.feed(piece, &mut on))?;
    sieve.finish(&mut on)?;
    Ok(on)
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const JSON: &str = "application/json";
const STREAM: &str = "Text/Event-Stream; charset=utf-8";

#[track_caller]
fn leaves(asked: Option<&str>, media: &str, answer: &str, expected: &str) {
    for size in [1, 2, 3, 7, answer.len().max(1)] {
        let left = left(asked, media, answer.as_bytes(), size);
        let left = left.as_deref().map(|bytes| std::str::from_utf8(bytes).unwrap());
        assert_eq!(left, Ok(expected), "in pieces of {size}: {answer}");
    }
}

#[test]
fn tools_that_may_not_be_seen_are_cut_out_of_a_list_and_nothing_else_is() {
    let answer = |tools: &str| {
        format!(
            "{{ \"jsonrpc\": \"2.0\", \"id\":1,\n \"result\" : {{\"_meta\":{{\"a\":[1,2]}}, \"tools\": [ {tools} ], \"nextCursor\": \"x\"}}}}\n"
        )
    };
    let (read, time, send) = (
        r#"{"name": "read_it", "x": {"name": "send"}}"#,
        r#"{"x":[{}],"name":"time"}"#,
        r#"{"name":"send"}"#,
    );
    for (tools, expected) in [
        (format!("{read} , {time}"), format!("{read} , {time}")),
        (format!("{send} , {time}"), time.to_owned()),
        (format!("{read} ,\n {send}"), read.to_owned()),
        (format!("{read} , {send} ,  {time}"), format!("{read} ,  {time}")),
        (format!("{send},{send} , {read},{send}, {send},{time} , {send}"), format!("{read},{time}")),
        (format!("{send} , {send}"), String::new()),
        (r#"{}, {"name":null},{"name":["time"]}"#.to_owned(), String::new()),
        (
            format!(r#"{{"n\u0061me":"tim\u0065"}},{{"name":"{}"}}"#, "read_".repeat(100)),
            r#"{"n\u0061me":"tim\u0065"}"#.to_owned(),
        ),
        (String::new(), String::new()),
    ] {
        // Around no item a blank stays on each side of it.
        let expected = if tools.is_empty() { answer("") } else { answer(&expected) };
        leaves(Some(LIST), JSON, &answer(&tools), &expected);
    }
}

#[test]
fn what_lists_no_tools_stays_as_it_is() {
    for answer in [
        "",
        "\n",
        "not found",
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":{"tools":[{"name":"send"}]}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{"name":"send"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"x":{"tools":[{"name":"send"}]}}}"#,
        r#"{"jsonrpc":"2.0","method":"sampling/createMessage","id":1,"params":{"tools":[{"name":"send"}]}}"#,
    ] {
        leaves(Some(LIST), JSON, answer, answer);
    }
}

#[test]
fn in_a_batch_the_answers_to_other_requests_stay_as_they_are() {
    let asked =
        format!("[{LIST},{}]", request("tools/call", r#""name":"time""#).replace("\"id\":1", "\"id\":\"2\""));
    let answer =
        |id: &str| format!(r#"{{"id":{id},"result":{{"tools":[{{"name":"send"}}]}},"jsonrpc":"2.0"}}"#);
    let cut = |id: &str| answer(id).replace(r#"{"name":"send"}"#, "");
    leaves(
        Some(&asked),
        JSON,
        &format!("[{}, {}, {}]", answer("1"), answer(r#""\u0032""#), answer("2")),
        // Who takes `2` for `"2"` would take the last for a list.
        &format!("[{}, {}, {}]", cut("1"), answer(r#""\u0032""#), cut("2")),
    );
}

#[test]
fn events_go_on_one_by_one_and_those_with_a_list_are_made_shorter() {
    for end in ["\n", "\r\n", "\r"] {
        let lines = |lines: &[&str]| lines.iter().map(|line| format!("{line}{end}")).collect::<String>();
        let answer = lines(&[
            "\u{feff}data: {\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"tools\":[{\"name\":\"send\"}]}}",
            "",
            ": still here",
            "id: 1",
            "data:",
            "",
            "event: message",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}",
            "id: 2",
            "",
            "data:{\"jsonrpc\":\"2.0\",\"id\":1,",
            "retry: 5",
            "data: \"result\":{\"tools\":[{\"name\":\"time\"},",
            "data",
            "data:  {\"name\":\"send\"}]}}",
            "datas: x",
            "",
            "",
            "event: endpoint",
            "data: /messages?session=1",
            "",
            ": end",
        ]);
        let expected = lines(&[
            "\u{feff}data: {\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{\"tools\":[]}}",
            "",
            ": still here",
            "id: 1",
            "data:",
            "",
            "event: message",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}",
            "id: 2",
            "",
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,",
            "data: \"result\":{\"tools\":[{\"name\":\"time\"}]}}",
            "retry: 5",
            "datas: x",
            "",
            "",
            "event: endpoint",
            "data: /messages?session=1",
            "",
            ": end",
        ]);
        leaves(None, STREAM, &answer, &expected);
    }
}

#[test]
fn an_event_that_no_empty_line_ends_is_sieved_too() {
    let event = |tools: &str| format!("data: {{\"id\":1,\"result\":{{\"tools\":[{tools}]}}}}");
    leaves(Some(LIST), STREAM, &event(r#"{"name":"time"}"#), &event(r#"{"name":"time"}"#));
    leaves(Some(LIST), STREAM, &event(r#"{"name":"send"}"#), &format!("{}\n", event("")));
}

#[test]
fn an_event_is_not_held_longer_than_until_it_is_over() {
    let mut head = headers(&[("content-type", "text/event-stream")]);
    let mut sieve = Sieve::new(sieve(&[]), None, &mut head).unwrap();
    let mut on = Vec::new();
    for (piece, seen) in [
        (": comment\n", ": comment\n"),
        ("event: message\nda", "event: message\n"),
        ("ta: {}\nid: 3\n", ""),
        ("\n", "data: {}\nid: 3\n\n"),
        ("data: x\r", ""),
        ("\n\r", "data: x\r\n\r"),
        ("\n: y\n", "\n: y\n"),
    ] {
        on.clear();
        sieve.feed(piece.as_bytes(), &mut on).unwrap();
        assert_eq!(std::str::from_utf8(&on), Ok(seen), "behind {piece:?}");
    }
}

#[test]
fn what_may_be_read_differently_does_not_go_on() {
    for (answer, broken) in [
        (r#"{"result":{"tools":[]},"result":{"tools":[{"name":"send"}]}}"#, Broken::Again("result")),
        (r#"{"result":{"tools":[],"Tools":[{"name":"send"}]}}"#, Broken::Again("tools")),
        (r#"{"result":{"tools":[{"name":"time","name":"send"}]}}"#, Broken::Again("name")),
        (r#"{"id":5,"id":1,"result":{"tools":[{"name":"send"}]}}"#, Broken::Again("id")),
        (r#"{"result":{"tools":["send"]}}"#, Broken::Item),
        (r#"{"result":{"tools":[["send"]]}}"#, Broken::Item),
        (r#"{"result":{"tools":[7]}}"#, Broken::Item),
    ] {
        for size in [1, answer.len()] {
            assert_eq!(left(Some(LIST), JSON, answer.as_bytes(), size), Err(broken), "{answer}");
            let event = format!("data: {answer}\n\n");
            assert_eq!(left(None, STREAM, event.as_bytes(), size), Err(broken), "{answer}");
        }
    }
    for answer in ["{\"x\":NaN}", " [1", "\u{feff}{}", "{}{}", "{\"x\":1,}"] {
        assert!(matches!(left(Some(LIST), JSON, answer.as_bytes(), 9), Err(Broken::Json { .. })), "{answer}");
        let event = format!("data: {answer}\n\n");
        assert!(matches!(left(None, STREAM, event.as_bytes(), 9), Err(Broken::Json { .. })), "{answer}");
    }
}

#[test]
fn what_is_held_is_bounded() {
    let piece = vec![b' '; MCP_ANSWER_BYTES];
    for media in [JSON, STREAM] {
        assert!(left(None, media, &piece, 65_536).is_ok(), "{media}");
        let more = [&piece[..], b" "].concat();
        assert_eq!(left(None, media, &more, 65_536), Err(Broken::TooLong(MCP_ANSWER_BYTES)), "{media}");
    }
    // Each event has the whole of it.
    let event = [b"data: ", &piece[..MCP_ANSWER_BYTES / 2], b"\n\n"].concat();
    let stream = event.repeat(3);
    assert_eq!(left(None, STREAM, &stream, 65_536).map(|left| left.len()), Ok(stream.len()));
}

#[test]
fn an_answer_in_a_coding_is_read_without_it_and_in_an_unknown_one_not_at_all() {
    use std::io::Write;
    let answer = r#"{"id":1,"result":{"tools":[{"name":"send"},{"name":"time"}]}}"#;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(answer.as_bytes()).unwrap();
    let coded = encoder.finish().unwrap();
    let sieved = |coding: &str, bytes: &[u8]| {
        let mut head = headers(&[("content-encoding", coding), ("etag", "\"x\"")]);
        let mut sieve = Sieve::new(sieve(&["time"]), None, &mut head)?;
        assert!(head.is_empty(), "{head:?}");
        let mut on = Vec::new();
        sieve.feed(bytes, &mut on)?;
        sieve.finish(&mut on).map(|()| on)
    };
    assert_eq!(sieved("gzip", &coded), Ok(br#"{"id":1,"result":{"tools":[{"name":"time"}]}}"#.to_vec()));
    assert_eq!(sieved("gzip", answer.as_bytes()), Err(Broken::Coding));
    assert_eq!(sieved("compress", &coded), Err(Broken::Coding));
    assert_eq!(sieved("gzip, gzip", &coded), Err(Broken::Coding));
    let mut part = headers(&[("content-range", "bytes 0-1/9")]);
    assert_eq!(Sieve::new(sieve(&[]), None, &mut part).map(drop), Err(Broken::Partial));
}

#[test]
fn answers_that_may_list_tools_are_known_by_what_was_asked() {
    let needed = |body: &str| Sieve::is_needed(&Method::POST, Some(&plain(body).unwrap()));
    assert!(needed(LIST));
    assert!(needed(&format!("[{},{}]", request("ping", ""), LIST.replace('1', "2"))));
    assert!(needed(r#"{"jsonrpc":"2.0","method":"tools/list"}"#));
    assert!(!needed(&request("tools/call", r#""name":"send""#)));
    assert!(Sieve::is_needed(&Method::GET, None), "a stream may bring what was asked for before");
    assert!(!Sieve::is_needed(&Method::DELETE, None));
    let mut request = headers(&[("accept-encoding", "gzip"), ("range", "bytes=0-1"), ("accept", "*/*")]);
    Sieve::prepare(&mut request);
    assert_eq!(request.keys().collect::<Vec<_>>(), ["accept"]);
}

#[test]
fn a_refusal_is_an_error_for_each_who_waits() {
    let told = |body: &str| {
        let body = error_for(&plain(body).unwrap().waiting(), "no", &serde_json::json!({"code": "mcp.tool"}));
        body.map(|body| serde_json::from_slice::<serde_json::Value>(&body).unwrap())
    };
    let error = |id: serde_json::Value| {
        let error = serde_json::json!({"code": REFUSED, "message": "no", "data": {"code": "mcp.tool"}});
        serde_json::json!({"jsonrpc": "2.0", "id": id, "error": error})
    };
    assert_eq!(told(LIST), Some(error(1.into())));
    assert_eq!(told(r#"{"jsonrpc":"2.0","id":"ü\"","method":"ping"}"#), Some(error("ü\"".into())));
    assert_eq!(told(&format!("[{LIST}]")), Some(serde_json::json!([error(1.into())])));
    let notification = r#"{"jsonrpc":"2.0","method":"x"}"#;
    let two = format!("[{LIST},{notification},{}]", LIST.replace('1', "2"));
    assert_eq!(told(&two), Some(serde_json::json!([error(1.into()), error(2.into())])));
    assert_eq!(told(notification), None);
    assert_eq!(told(&format!("[{notification}]")), None);
}
