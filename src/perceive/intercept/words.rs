//! The vocabulary in which `ruleset` is written: one short function per nftables expression, statement and object.
//!
//! Pure, and without opinion: what is matched and what happens then is said in `ruleset`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use nftables::expr::{
    BinaryOperation, Expression, Exthdr, Fib, FibFlag, FibResult, Meta, MetaKey, NamedExpression, Payload,
    PayloadField, Prefix, Range, SetItem, Socket, SocketAttr,
};
use nftables::schema::{Chain, Counter, NfListObject, Rule, Set, SetFlag, SetType, SetTypeValue, Table};
use nftables::stmt::{
    Counter as Count, JumpTarget, Limit, Log, Mangle, Match, Meter, Operator, Reject, RejectType, Statement,
    TProxy,
};
use nftables::types::{NfChainPolicy, NfChainType, NfFamily, NfHook, RejectCode};
use serde_json::{Value, json};

use super::{LOG_GROUP, MARK};
use crate::model::manifest::resources::PortRange;
use crate::model::types::MacAddress;
use crate::model::types::limits::{DROPS_BYTES, DROPS_MEMORY, DROPS_SOURCES};

/// The table's name, in family `inet`.
pub const TABLE_NAME: &str = "clawgress";
const FAMILY: NfFamily = NfFamily::INet;

pub(super) fn table() -> NfListObject<'static> {
    NfListObject::Table(Table { family: FAMILY, name: TABLE_NAME.into(), handle: None })
}

pub(super) fn protocol(value: u8) -> Expression<'static> {
    number(value.into())
}

/// An anonymous set of protocols.
pub(super) fn protocols<const N: usize>(values: [u8; N]) -> Expression<'static> {
    numbers(values.map(u16::from))
}

/// An anonymous set of ports.
pub(super) fn numbers<const N: usize>(values: [u16; N]) -> Expression<'static> {
    named(NamedExpression::Set(values.map(|value| SetItem::Element(number(value))).to_vec()))
}

/// Gives what matches to our socket on `port`, marks it so that it is routed to this host, and is done.
pub(super) fn hand_over(what: Statement<'static>, port: u16) -> Vec<Statement<'static>> {
    vec![what, tproxy(port), set_mark(MARK), accept()]
}

pub(super) fn flow_errors(protocol: &'static str, types: &[&'static str]) -> Vec<Statement<'static>> {
    let types = named(NamedExpression::Set(types.iter().map(|name| SetItem::Element(text(*name))).collect()));
    let socket = |key| named(NamedExpression::Socket(Socket { key: Cow::Owned(key) }));
    vec![
        equals(payload(protocol, "type"), types),
        equals(socket(SocketAttr::Wildcard), Expression::Number(0)),
        equals(socket(SocketAttr::Transparent), Expression::Number(1)),
        set_mark(MARK),
        accept(),
    ]
}

/// `tcp flags & (syn | ack)` compared with `syn`: a bare SYN, without which no connection is opened.
pub(super) fn new_connection(op: Operator) -> Statement<'static> {
    let flags = Expression::List(vec![text("syn"), text("ack")]);
    let left = Expression::BinaryOperation(Box::new(BinaryOperation::AND(payload("tcp", "flags"), flags)));
    Statement::Match(Match { left, right: text("syn"), op })
}

/// Whether a packet in parts is meant: an offset, or more to come (RFC 791, section 3.1).
pub(super) fn in_parts(op: Operator) -> Statement<'static> {
    const OFFSET_OR_MORE: u32 = 0x3fff;
    let (field, mask) = (payload("ip", "frag-off"), Expression::Number(OFFSET_OR_MORE));
    let left = Expression::BinaryOperation(Box::new(BinaryOperation::AND(field, mask)));
    Statement::Match(Match { left, right: Expression::Number(0), op })
}

/// No way leads back to the source through the interface on which the packet came.
pub(super) fn no_way_back() -> Statement<'static> {
    let fib = Fib { result: FibResult::Oif, flags: HashSet::from([FibFlag::Saddr, FibFlag::Iif]) };
    equals(named(NamedExpression::Fib(fib)), Expression::Boolean(false))
}

/// Source address and sending card, taken together.
pub(super) fn source_and_card(protocol: &'static str) -> Expression<'static> {
    let parts = vec![payload(protocol, "saddr"), payload("ether", "saddr")];
    named(NamedExpression::Concat(parts))
}

/// A field of an IPv6 extension header.
pub(super) fn extension(name: &'static str, field: &'static str) -> Expression<'static> {
    named(NamedExpression::Exthdr(Exthdr { name: name.into(), field: Some(field.into()), offset: None }))
}

/// The kind of destination, as this host's routing sees it.
pub(super) fn address_type() -> Expression<'static> {
    named(NamedExpression::Fib(Fib { result: FibResult::Type, flags: HashSet::from([FibFlag::Daddr]) }))
}

/// The kind of source, as this host's routing sees it where the packet came in.
pub(super) fn source_type() -> Expression<'static> {
    let flags = HashSet::from([FibFlag::Saddr, FibFlag::Iif]);
    named(NamedExpression::Fib(Fib { result: FibResult::Type, flags }))
}

pub(super) fn l4proto(protocol: &'static str) -> Statement<'static> {
    equals(meta(MetaKey::L4proto), text(protocol))
}

pub(super) fn equals(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    Statement::Match(Match { left, right, op: Operator::EQ })
}

pub(super) fn at_most(left: Expression<'static>, right: u16) -> Statement<'static> {
    Statement::Match(Match { left, right: number(right), op: Operator::LEQ })
}

pub(super) fn differs(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    Statement::Match(Match { left, right, op: Operator::NEQ })
}

pub(super) fn tproxy(port: u16) -> Statement<'static> {
    Statement::TProxy(TProxy { family: None, port, addr: None })
}

/// The same in a rule that matches one family alone, which nft wants to be told.
pub(super) fn tproxy_of(family: &'static str, port: u16) -> Statement<'static> {
    Statement::TProxy(TProxy { family: Some(family.into()), port, addr: None })
}

pub(super) fn set_mark(mark: u32) -> Statement<'static> {
    Statement::Mangle(Mangle { key: meta(MetaKey::Mark), value: Expression::Number(mark) })
}

pub(super) fn accept() -> Statement<'static> {
    Statement::Accept(None)
}

pub(super) fn goto(target: &'static str) -> Statement<'static> {
    Statement::Goto(JumpTarget { target: target.into() })
}

pub(super) fn jump(target: &'static str) -> Statement<'static> {
    Statement::Jump(JumpTarget { target: target.into() })
}

pub(super) fn leave() -> Statement<'static> {
    Statement::Return(None)
}

pub(super) fn discard() -> Statement<'static> {
    Statement::Drop(None)
}

/// So many packets at once, and so many more each second.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    pub burst: u32,
    pub per_second: u32,
}

/// Matches as long as no more come than that.
pub(super) fn within(rate: Rate) -> Statement<'static> {
    limit(rate, false)
}

/// Matches what comes beyond that.
pub(super) fn beyond(rate: Rate) -> Statement<'static> {
    limit(rate, true)
}

fn limit(rate: Rate, beyond: bool) -> Statement<'static> {
    Statement::Limit(Limit {
        rate: rate.per_second,
        rate_unit: None,
        per: Some("second".into()),
        burst: Some(rate.burst),
        burst_unit: None,
        inv: beyond.then_some(true),
    })
}

/// A limit for each key by itself, kept in a set of that name.
pub(super) fn each(
    key: Expression<'static>,
    set: &'static str,
    limit: Statement<'static>,
) -> Statement<'static> {
    Statement::Meter(Meter { name: set.into(), key, stmt: Box::new(limit) })
}

/// What the `nftables` crate wrote, as nft reads and lists it. The crate knows limits for each key as meters alone, and
/// those are named otherwise by every version of nft; an update of a set is not. And it writes offsets that are not there.
pub(super) fn as_nft_says(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(as_nft_says).collect(),
        Value::Object(fields) => {
            let said = |(name, body): (String, Value)| match (name.as_str(), body) {
                ("meter", body) => {
                    let set = format!("@{}", body["name"].as_str().unwrap_or_default());
                    let update =
                        json!({"op": "update", "elem": body["key"], "set": set, "stmt": [body["stmt"]]});
                    ("set".to_owned(), update)
                }
                (_, body) => (name, as_nft_says(body)),
            };
            let there = |(name, body): &(String, Value)| name != "offset" || !body.is_null();
            fields.into_iter().filter(there).map(said).collect()
        }
        other => other,
    }
}

/// Tells the daemon of the packet, under this word.
pub(super) fn tell(word: &'static str) -> Statement<'static> {
    let log =
        Log { prefix: Some(word.into()), snaplen: Some(DROPS_BYTES), ..Log::new(Some(LOG_GROUP.into())) };
    Statement::Log(Some(log))
}

pub(super) fn count(name: &'static str) -> Statement<'static> {
    Statement::Counter(Count::Named(name.into()))
}

pub(super) fn reject_tcp_reset() -> Statement<'static> {
    Statement::Reject(Some(Reject::new(Some(RejectType::TCPReset), None)))
}

pub(super) fn reject_icmpx(code: RejectCode) -> Statement<'static> {
    Statement::Reject(Some(Reject::new(Some(RejectType::ICMPX), Some(code))))
}

pub(super) fn meta(key: MetaKey) -> Expression<'static> {
    named(NamedExpression::Meta(Meta { key }))
}

pub(super) fn payload(protocol: &'static str, field: &'static str) -> Expression<'static> {
    let field = PayloadField { protocol: protocol.into(), field: field.into() };
    named(NamedExpression::Payload(Payload::PayloadField(field)))
}

pub(super) fn any_of<const N: usize>(values: [&'static str; N]) -> Expression<'static> {
    named(NamedExpression::Set(values.map(|value| SetItem::Element(text(value))).to_vec()))
}

fn named(expression: NamedExpression<'static>) -> Expression<'static> {
    Expression::Named(expression)
}

pub(super) fn text(value: impl Into<Cow<'static, str>>) -> Expression<'static> {
    Expression::String(value.into())
}

pub(super) fn number(value: u16) -> Expression<'static> {
    Expression::Number(value.into())
}

/// A range of ports as nft lists it: one port alone without its end.
pub(super) fn ports(range: PortRange) -> Expression<'static> {
    if range.start == range.end {
        return number(range.start);
    }
    Expression::Range(Box::new(Range { range: [number(range.start), number(range.end)] }))
}

/// A prefix as nft lists it: one address alone without its length.
pub(super) fn prefix(net: IpNet) -> Expression<'static> {
    let address: IpAddr = net.network();
    if net.prefix_len() == net.max_prefix_len() {
        return text(address.to_string());
    }
    let len = net.prefix_len().into();
    named(NamedExpression::Prefix(Prefix { addr: Box::new(text(address.to_string())), len }))
}

/// A prefix together with a card.
pub(super) fn pair((net, card): (IpNet, MacAddress)) -> Expression<'static> {
    named(NamedExpression::Concat(vec![prefix(net), text(card.to_string())]))
}

/// Single values.
pub(super) fn set(
    name: &'static str,
    kind: SetType,
    elements: Vec<Expression<'static>>,
) -> NfListObject<'static> {
    NfListObject::Set(Box::new(filled(name, SetTypeValue::Single(kind), elements)))
}

/// Ranges and prefixes.
pub(super) fn intervals(
    name: &'static str,
    kind: SetTypeValue<'static>,
    elements: Vec<Expression<'static>>,
) -> NfListObject<'static> {
    let mut set = filled(name, kind, elements);
    set.flags = Some(HashSet::from([SetFlag::Interval]));
    NfListObject::Set(Box::new(set))
}

/// What rules write addresses into, each with its account; what is not seen for a while is forgotten.
pub(super) fn accounts(name: &'static str, kind: SetType) -> NfListObject<'static> {
    let mut set = filled(name, SetTypeValue::Single(kind), Vec::new());
    (set.size, set.timeout) = (Some(DROPS_SOURCES), Some(DROPS_MEMORY));
    set.flags = Some(HashSet::from([SetFlag::Timeout]));
    NfListObject::Set(Box::new(set))
}

fn filled(
    name: &'static str,
    set_type: SetTypeValue<'static>,
    elements: Vec<Expression<'static>>,
) -> Set<'static> {
    let elem = (!elements.is_empty()).then_some(Cow::Owned(elements));
    Set { family: FAMILY, table: TABLE_NAME.into(), name: name.into(), set_type, elem, ..Set::default() }
}

pub(super) fn counter(name: &'static str) -> NfListObject<'static> {
    NfListObject::Counter(Counter {
        family: FAMILY,
        table: TABLE_NAME.into(),
        name: name.into(),
        handle: None,
        packets: Some(0),
        bytes: Some(0),
    })
}

pub(super) fn chain(name: &'static str) -> NfListObject<'static> {
    NfListObject::Chain(Chain {
        family: FAMILY,
        table: TABLE_NAME.into(),
        name: name.into(),
        ..Chain::default()
    })
}

pub(super) fn base_chain(name: &'static str, hook: NfHook, priority: i32) -> NfListObject<'static> {
    NfListObject::Chain(Chain {
        family: FAMILY,
        table: TABLE_NAME.into(),
        name: name.into(),
        _type: Some(NfChainType::Filter),
        hook: Some(hook),
        prio: Some(priority),
        policy: Some(NfChainPolicy::Accept),
        ..Chain::default()
    })
}

pub(super) fn rule(chain: &'static str, statements: Vec<Statement<'static>>) -> NfListObject<'static> {
    NfListObject::Rule(Rule {
        family: FAMILY,
        table: TABLE_NAME.into(),
        chain: chain.into(),
        expr: Cow::Owned(statements),
        ..Rule::default()
    })
}

/// A rule with a comment that `nft list table inet clawgress` shows.
pub(super) fn noted(
    chain: &'static str,
    comment: &'static str,
    statements: Vec<Statement<'static>>,
) -> NfListObject<'static> {
    let mut object = rule(chain, statements);
    if let NfListObject::Rule(rule) = &mut object {
        rule.comment = Some(comment.into());
    }
    object
}
