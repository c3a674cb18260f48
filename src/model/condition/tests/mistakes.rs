//! Every mistake there is, with its words.

use super::faults;
use crate::model::condition::Condition;

#[test]
fn names_that_are_not_declared_are_faults_with_a_suggestion() {
    let cases = [
        ("agnet.name == 'a'", "[agnet] `agnet` is not declared (did you mean `agent`?)"),
        ("method == 'GET'", "[method] `method` is not declared (did you mean `request.method`?)"),
        (
            "foo == 'GET'",
            "[foo] `foo` is not declared (a condition may name `agent`, `destination`, `request`, `ai`, `mcp`, `dlp`, `usage` or `time`)",
        ),
        ("request . methd == 'GET'", "[methd] `request` has no field `methd` (did you mean `method`?)"),
        ("request.host == 'a'", "[host] `request` has no field `host` (did you mean `destination.host`?)"),
        ("'é' == agent.nme", "[nme] `agent` has no field `nme` (did you mean `name`?)"),
        (
            "agent == 'a'",
            "[agent] `agent` is not a value by itself (name one of its fields: `name`, `team`, `project`, `environment` or `labels`)",
        ),
        (
            "request.method.upper() == 'A'",
            "[upper] there is no function `upper` (did you mean `upperAscii`?)",
        ),
        (
            "request.path.startWith('/')",
            "[startWith] there is no function `startWith` (did you mean `startsWith`?)",
        ),
        (
            "now() > 3",
            "[now] there is no function `now` (`time` has the moment: `time.hour`, `time.weekday`, `time.unix` and so on)",
        ),
        (
            "dlp.matches.exists(m, m.clas == 'pii')",
            "[clas] a finding has no field `clas` (did you mean `class`?)",
        ),
        ("[1].exists(x, y == 1)", "[y] `y` is not declared (did you mean `x`?)"),
        ("[1].exists(agent, true)", "[agent] `agent` is a name already (choose another one)"),
        (
            "[1].exists(1, true)",
            "[1] `1` is not a name for what the loop is at (as in `list.exists(x, condition)`)",
        ),
        ("agent.name.first == 'a'", "[first] `agent.name` is a string and has no fields"),
        ("Agent{name: 'a'} == 1", "[Agent] `Agent` is not a type of conditions"),
    ];
    for (text, wanted) in cases {
        assert_eq!(faults(text), [wanted], "{text}");
    }
}

#[test]
fn what_comes_out_of_an_empty_list_or_map_is_a_fault_where_something_is_asked_of_it() {
    for (text, part) in [
        ("[][0].x == 'a'", "[][0]"),
        ("has([][0].x)", "[][0]"),
        ("'a' in [][0]", "[][0]"),
        ("[][0]['x'] == 'a'", "[][0]"),
        ("-[][0] == 1", "[][0]"),
        ("{}['a'].x == 'a'", "{}['a']"),
        ("[].exists(x, x.class == 'pii')", "x"),
        ("[].map(x, x)[0].a == 'b'", "[].map(x, x)[0]"),
    ] {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let is_told =
            found[0].starts_with(&format!("[{part}] ")) && found[0].contains("it never has a value");
        // What has no variables in it is known to have no value before anything is asked of it.
        assert!(is_told || found[0].contains("this never has a value"), "{text}: {found:?}");
    }
    // What is wrong already is blamed once.
    assert_eq!(faults("[nme][0].x == 'a'").len(), 1);
    assert_eq!(faults("[][0].x == nme").len(), 2, "each of two by itself");
}

#[test]
fn types_that_do_not_fit_are_faults() {
    let cases = [
        (
            "request.method > 3",
            "[request.method > 3] `>` compares one type: `request.method` is a string and `3` is an int (numbers are written without quotes; `int(...)` reads one from a text)",
        ),
        (
            "time.hour == \"22\"",
            "[time.hour == \"22\"] `==` compares one type: `time.hour` is an int and `\"22\"` is a string (numbers are written without quotes; `int(...)` reads one from a text)",
        ),
        (
            "agent.name",
            "[agent.name] a condition is true or false, and this is a string (compare it with something, as in `... == ...`)",
        ),
        ("!agent.name", "[agent.name] `!` needs true or false, and `agent.name` is a string"),
        ("agent.name && true", "[agent.name] `&&` needs true or false, and `agent.name` is a string"),
        ("-agent.name == 1", "[-agent.name] `-` needs a number, and `agent.name` is a string"),
        (
            "agent.labels == agent.labels",
            "[agent.labels == agent.labels] `==` cannot compare values of type map<string, string>",
        ),
        ("true < false", "[true < false] `<` cannot compare values of type bool"),
        (
            "1 + 'a' == 2",
            "[1 + 'a'] `+` takes two of one type: `1` is an int and `'a'` is a string (numbers are written without quotes; `int(...)` reads one from a text)",
        ),
        ("'a' * 'b' == 'c'", "['a' * 'b'] `*` cannot take values of type string"),
        ("time.hour / 0 == 1", "[time.hour / 0] this divides by zero"),
        ("1 in ['a']", "[1 in ['a']] `1` is an int, and cannot be in a list<string>"),
        (
            "'a' in agent.name",
            "['a' in agent.name] `in` looks into a list or a map, and `agent.name` is a string (a part of a text is found by `text.contains(part)`)",
        ),
        ("[1, 'a'] == [1]", "['a'] a list of values of type int has `'a'`, a string"),
        ("{'a': 1, 'a': 2}.a == 1", "['a'] the key `'a'` is there twice"),
        ("{1: 1}['a'] == 1", "[1] `1` is not a key: keys are texts in quotes"),
        ("agent.labels[0] == 'a'", "[0] a map<string, string> is asked by a string, and `0` is an int"),
        (
            "agent.name[0] == 'a'",
            "[agent.name[0]] `[...]` looks into a list or a map, and `agent.name` is a string",
        ),
        ("true ? 1 : 'a'", "[true ? 1 : 'a'] both sides of `:` need one type, and these are int and string"),
        ("agent.name.contains(1)", "[1] `contains` takes a string, and `1` is an int"),
        ("agent.name.contains()", "[agent.name.contains()] `contains` takes 1 argument, and here are 0"),
        ("time.hour.contains('a')", "[time.hour] `contains` is for `string`, and `time.hour` is an int"),
        (
            "contains(agent.name, 'a')",
            "[contains(agent.name, 'a')] `contains` is not written like this (write `value.contains(...)`)",
        ),
        ("'1'.int() == 1", "['1'.int()] `int` is not written like this (write `int(value)`)"),
        ("size(1) == 1", "[1] `size` is for `string`, `list` or `map`, and `1` is an int"),
        (
            "agent.name.exists(x, true)",
            "[agent.name] `exists` goes through a list or a map, and `agent.name` is a string",
        ),
        (
            "[1].exists(x)",
            "[[1].exists(x)] `exists` takes a name and a condition, and here are 1 arguments (as in `list.exists(x, condition)`)",
        ),
        ("[1].all(x, x)", "[x] `all` needs a condition, and `x` is an int"),
        ("has(agent.name)", "[has(agent.name)] `agent.name` is always there (leave `has(...)` out)"),
        (
            "has(request.headers['a'])",
            "[request.headers['a']] `has` cannot ask for `request.headers['a']` (it asks for a field, as in `has(request.content_length)`; for a key write `\"key\" in map`)",
        ),
        ("has()", "[has()] `has` takes one field, and here are 0 (as in `has(request.content_length)`)"),
        ("1u == 1", "[1u] `1u` is an unsigned number (numbers are signed here: write it without the `u`)"),
        (
            "b'a' == 'a'",
            "[b'a'] `b'a'` is a value of bytes (everything is text here: write it without the `b`)",
        ),
        (
            "agent.team == null",
            "[null] nothing is `null` here (`has(...)` asks whether an optional value is there)",
        ),
        (
            "double(1) == 1.5 && 1.5 == time.hour",
            "[1.5 == time.hour] `==` compares one type: `1.5` is a double and `time.hour` is an int (`double(...)` converts an int)",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(faults(text), [wanted], "{text}");
    }
}

#[test]
fn comparisons_that_can_never_hold_are_faults() {
    let cases = [
        (
            "destination.class == 'pivate'",
            "['pivate'] `destination.class` is never `pivate` (did you mean `private`?)",
        ),
        (
            "request.scheme in ['https', 'ftp']",
            "['ftp'] `request.scheme` is never `ftp` (it is `http` or `https`)",
        ),
        ("24 == time.hour", "[24] `time.hour` is never 24 (it goes from 0 to 23)"),
        ("time.weekday in [6, 7]", "[7] `time.weekday` is never 7 (it goes from 0 to 6)"),
        ("destination.port == 70000", "[70000] `destination.port` is never 70000 (it goes from 0 to 65535)"),
        (
            "request.headers['X-Team'] == 'a'",
            "['X-Team'] the keys of `request.headers` are in lower case (did you mean `x-team`?)",
        ),
        (
            "'Accept' in request.headers",
            "['Accept'] the keys of `request.headers` are in lower case (did you mean `accept`?)",
        ),
        (
            "has(request.headers.Accept)",
            "[Accept] the keys of `request.headers` are in lower case (did you mean `accept`?)",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(faults(text), [wanted], "{text}");
    }
}

/// The fault that has this text as its place.
fn never(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(faults(text), [*wanted], "{text}");
    }
}

fn can_be(texts: &[&str]) {
    for text in texts {
        Condition::check(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    }
}

#[test]
fn an_order_that_no_number_has_is_a_fault_on_either_side() {
    never(&[
        ("time.hour > 30", "[time.hour > 30] `time.hour` is never greater than 30 (it goes from 0 to 23)"),
        ("time.hour >= 24", "[time.hour >= 24] `time.hour` is never 24 or more (it goes from 0 to 23)"),
        ("24 <= time.hour", "[24 <= time.hour] `time.hour` is never 24 or more (it goes from 0 to 23)"),
        ("time.day < 1", "[time.day < 1] `time.day` is never less than 1 (it goes from 1 to 31)"),
        (
            "destination.port <= -1",
            "[destination.port <= -1] `destination.port` is never -1 or less (it goes from 0 to 65535)",
        ),
        ("23 < time.hour", "[23 < time.hour] `time.hour` is never greater than 23 (it goes from 0 to 23)"),
        (
            "request.content_length < 0",
            "[request.content_length < 0] `request.content_length` is never less than 0 (it goes from 0 on)",
        ),
        (
            "destination.port > 60000 + 6000",
            "[destination.port > 60000 + 6000] `destination.port` is never greater than 66000 (it goes from 0 to 65535)",
        ),
    ]);
    can_be(&["time.hour >= 22 && time.hour < 24", "time.hour > 22", "time.day >= 31", "0 <= time.hour"]);
}

#[test]
fn a_text_that_a_variable_never_is_is_a_fault() {
    never(&[
        (
            "destination.host == 'Evil.Example.com'",
            "['Evil.Example.com'] `destination.host` is never `Evil.Example.com` (did you mean `evil.example.com`?)",
        ),
        (
            "destination.host in ['a.example', 'foo.example.']",
            "['foo.example.'] `destination.host` is never `foo.example.` (did you mean `foo.example`?)",
        ),
        (
            "destination.host in [agent.name, 'B.example']",
            "['B.example'] `destination.host` is never `B.example` (did you mean `b.example`?)",
        ),
        (
            "destination.host != 'münchen.example'",
            "['münchen.example'] `destination.host` is never `münchen.example` (did you mean `xn--mnchen-3ya.example`?)",
        ),
        (
            "destination.host == '*.example.com'",
            "['*.example.com'] `destination.host` is never `*.example.com` (it is one name; those below another are found by `destination.host.endsWith(\".example.com\")`)",
        ),
        (
            "destination.host == '192.0.2.1'",
            "['192.0.2.1'] `destination.host` is never `192.0.2.1` (addresses are in `destination.address`)",
        ),
        (
            "destination.host == 'https://a.example'",
            "['https://a.example'] `destination.host` is never `https://a.example` (it is the name alone, without scheme, port and path)",
        ),
        (
            "destination.address == '10.0.0.0/8'",
            "['10.0.0.0/8'] `destination.address` is never `10.0.0.0/8` (it is one address; networks are named by `destinationCIDRs` of a route)",
        ),
        (
            "destination.address in ['192.0.2.1', '2001:DB8::1']",
            "['2001:DB8::1'] `destination.address` is never `2001:DB8::1` (did you mean `2001:db8::1`?)",
        ),
        (
            "destination.address == '::ffff:192.0.2.1'",
            "['::ffff:192.0.2.1'] `destination.address` is never `::ffff:192.0.2.1` (did you mean `192.0.2.1`?)",
        ),
        ("request.method == 'get'", "['get'] `request.method` is never `get` (did you mean `GET`?)"),
        (
            "request.method == 'CONNECT'",
            "['CONNECT'] `request.method` is never `CONNECT` (it is refused before any rule is asked)",
        ),
        (
            "request.method == 'GET POST'",
            "['GET POST'] `request.method` is never `GET POST` (it has capital letters, digits, `-`, `_` and `.`)",
        ),
        ("'' == request.method", "[''] `request.method` is never `` (it is never empty)"),
        ("request.path == 'repos'", "['repos'] `request.path` is never `repos` (did you mean `/repos`?)"),
        (
            "request.path == '/%61dmin'",
            "['/%61dmin'] `request.path` is never `/%61dmin` (did you mean `/admin`?)",
        ),
        (
            "request.path == '/a?b=c'",
            "['/a?b=c'] `request.path` is never `/a?b=c` (the query is in `request.query`)",
        ),
        (
            "request.path == '/a b'",
            "['/a b'] `request.path` is never `/a b` (this one has a character that must be percent-encoded)",
        ),
        ("agent.name == 'Alice'", "['Alice'] `agent.name` is never `Alice` (did you mean `alice`?)"),
        (
            "'a b' in request.headers",
            "['a b'] `request.headers` never has the key `a b` (names of header fields have no blanks and few signs)",
        ),
    ]);
    can_be(&[
        "destination.host == '' || destination.host == '_dns.xn--mnchen-3ya.example'",
        "destination.address in ['192.0.2.1', '2001:db8::1']",
        "request.method in ['PROPFIND', 'M-SEARCH']",
        "request.path in ['*', '/', '/a//b', '/caf%C3%A9', '/a;b']",
        "'x-a' in request.headers && request.query['A b'] == 'C'",
        "destination.host == agent.labels.host && agent.team == 'Red Team'",
    ]);
}

#[test]
fn a_part_that_a_variable_never_has_is_a_fault() {
    never(&[
        (
            "destination.host.endsWith('.Example.com')",
            "['.Example.com'] `destination.host` never ends with `.Example.com` (did you mean `.example.com`?)",
        ),
        (
            "destination.host.endsWith('.example.')",
            "['.example.'] `destination.host` never ends with `.example.` (it neither begins nor ends with a dot)",
        ),
        (
            "destination.host.contains('*')",
            "['*'] `destination.host` never contains `*` (`*` is never in it)",
        ),
        (
            "request.path.startsWith('repos/')",
            "['repos/'] `request.path` never begins with `repos/` (did you mean `/repos/`?)",
        ),
        (
            "request.path.contains('?dry')",
            "['?dry'] `request.path` never contains `?dry` (the query is in `request.query`)",
        ),
        (
            "request.path.contains('%2f')",
            "['%2f'] `request.path` never contains `%2f` (paths are compared in canonical form: needless escapes are undone, the others have capital letters)",
        ),
        (
            "destination.address.startsWith('2001:DB8')",
            "['2001:DB8'] `destination.address` never begins with `2001:DB8` (did you mean `2001:db8`?)",
        ),
        (
            "request.method.startsWith('Pa')",
            "['Pa'] `request.method` never begins with `Pa` (did you mean `PA`?)",
        ),
        (
            "request.protocol.startsWith('http')",
            "['http'] `request.protocol` never begins with `http` (did you mean `HTTP/1.0`?)",
        ),
    ]);
    can_be(&[
        "destination.host.endsWith('.example.com') || destination.host.startsWith('api-')",
        "request.path.startsWith('/.git') || request.path.contains('..') || request.path.endsWith('%2')",
        "request.path.contains('%2F') || request.path.endsWith(';v=1') || request.path.startsWith('')",
        "destination.address.startsWith('10.') || destination.address.startsWith('fd77:')",
        "request.protocol.startsWith('HTTP/1') && request.method.contains('PROP')",
    ]);
}

#[test]
fn constants_that_have_no_value_are_faults() {
    never(&[
        (
            "[1][5] == 1",
            "[[1][5]] this never has a value: a list of 1 has no entry at the place that is asked for",
        ),
        ("{'a': 1}['b'] == 1", "[{'a': 1}['b']] this never has a value: the map has no value at `b`"),
        ("{'a': 1}.b == 1", "[{'a': 1}.b] this never has a value: the map has no value at `b`"),
        (
            "int('a') == 1 || time.hour == 3",
            "[int('a')] this never has a value: a text that should be a number is none",
        ),
        ("time.hour == 5 % (2 - 2)", "[5 % (2 - 2] this divides by zero"),
        (
            "9223372036854775807 + 1 > time.unix",
            "[9223372036854775807 + 1] this never has a value: a number does not fit into 64 bits",
        ),
        (
            "request.method == 'GE'.lowerAscii() + 't'",
            "['GE'.lowerAscii() + 't'] `request.method` is never `get` (did you mean `GET`?)",
        ),
    ]);
    can_be(&[
        "[1, 2][1] == 2",
        "{'a': [{'b': 1}]}.a[0].b == 1",
        "time.hour == int('2') + -(-3)",
        "[[1]][0] == []",
    ]);
    let told = faults("foo[0] + 1 == [bar][0] || int(baz) == {'a': 1}[bad]");
    assert_eq!(told.len(), 4, "what is wrong already is not computed with: {told:?}");
}

#[test]
fn patterns_that_are_none_or_could_blow_up_are_faults() {
    let cases = [
        ("agent.name.matches('(')", "['('] `(` is not a pattern: unclosed group"),
        (
            "agent.name.matches(agent.team)",
            "[agent.team] the pattern `agent.team` is not a text in quotes (patterns are compiled when the rule is loaded; compare values by `==` or `contains`)",
        ),
        (
            "agent.name.matches('(a|b)*a(a|b){30}')",
            "['(a|b)*a(a|b){30}'] the pattern `(a|b)*a(a|b){30}` grows beyond 256 KiB when it is compiled (shorten its repetitions, such as `{1,100}`, or the alternatives in front of them)",
        ),
        (
            "agent.name.matches('((a{100}){100}){100}')",
            "['((a{100}){100}){100}'] the pattern `((a{100}){100}){100}` grows beyond 256 KiB when it is compiled (shorten its repetitions, such as `{1,100}`, or the alternatives in front of them)",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(faults(text), [wanted], "{text}");
    }
}

#[test]
fn what_is_not_cel_is_a_fault_at_its_place() {
    let cases = [
        ("", "[] the condition is empty (leave `when` out, and the rule always holds)"),
        ("agent.name ==", "[] the condition ends where a value is expected"),
        ("(agent.name == 'a'", "[] the condition ends before a `(` is closed"),
        ("true and false", "[and] `and` is not expected here (did you mean `&&`?)"),
        ("agent.name = 'a'", "[=] `=` is not expected here (did you mean `==`?)"),
        ("true &\nfalse", "[&] `&` is not expected here (did you mean `&&`?)"),
        ("'äö' == foo bar", "[bar] `bar` is not expected here"),
        ("'ä' == \n  'b' or true", "[or] `or` is not expected here (did you mean `||`?)"),
        (
            "agent.name == 'a",
            "['a] this text is not closed, or has an unknown escape (close it with the quote it began with; a backslash in it is written `\\\\`, or the text as `r\"...\"`)",
        ),
        (
            "time.unix == 99999999999999999999",
            "[99999999999999999999] `99999999999999999999` is not a number of 64 bits",
        ),
        ("# x", "[#] `#` is not expected here"),
        ("agent.?name == 'a'", "[.] `.` is not a part of conditions"),
        ("true)", "[)] `)` is not expected here"),
    ];
    for (text, wanted) in cases {
        assert_eq!(faults(text), [wanted], "{text}");
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_text() {
    let found = faults("agnet.name == 1 && request.methd == 'GET' && time.hour == '3' || foo(bar) == 1");
    let places: Vec<&str> = found.iter().map(|one| one.split(']').next().unwrap()).collect();
    assert_eq!(places, ["[agnet", "[methd", "[time.hour == '3'", "[foo", "[bar"], "{found:#?}");
}
