//! The vocabulary in which `ruleset` is written: one short function per nftables expression, statement and object.
//!
//! Pure, and without opinion: what is matched and what happens then is said in `ruleset`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use nftables::expr::{
    BinaryOperation, Expression, Fib, FibFlag, FibResult, Meta, MetaKey, NamedExpression, Payload,
    PayloadField, Prefix, Range, SetItem, Socket, SocketAttr,
};
use nftables::schema::{Chain, Counter, NfListObject, Rule, Set, SetFlag, SetType, SetTypeValue, Table};
use nftables::stmt::{
    Counter as Count, JumpTarget, Mangle, Match, Operator, Reject, RejectType, Statement, TProxy,
};
use nftables::types::{NfChainPolicy, NfChainType, NfFamily, NfHook, RejectCode};

use super::MARK;
use crate::model::manifest::resources::PortRange;

/// The table's name, in family `inet`.
pub const TABLE_NAME: &str = "clawgress";
const FAMILY: NfFamily = NfFamily::INet;

pub(super) fn table() -> NfListObject<'static> {
    NfListObject::Table(Table { family: FAMILY, name: TABLE_NAME.into(), handle: None })
}

/// An anonymous set of ports or protocols.
pub(super) fn numbers<const N: usize>(values: [u16; N]) -> Expression<'static> {
    named(NamedExpression::Set(values.map(|value| SetItem::Element(number(value))).to_vec()))
}

/// Gives what matches to our socket on `port`, marks it so that it is routed to this host, and is done.
pub(super) fn hand_over(what: Statement<'static>, port: u16) -> Vec<Statement<'static>> {
    vec![what, tproxy(port), set_mark(), accept()]
}

pub(super) fn flow_errors(protocol: &'static str, types: &[&'static str]) -> Vec<Statement<'static>> {
    let types = named(NamedExpression::Set(types.iter().map(|name| SetItem::Element(text(*name))).collect()));
    let ours = named(NamedExpression::Socket(Socket { key: Cow::Owned(SocketAttr::Transparent) }));
    vec![equals(payload(protocol, "type"), types), equals(ours, Expression::Number(1)), set_mark(), accept()]
}

/// `tcp flags & (syn | ack)` compared with `syn`: a bare SYN, without which no connection is opened.
pub(super) fn new_connection(op: Operator) -> Statement<'static> {
    let flags = Expression::List(vec![text("syn"), text("ack")]);
    let left = Expression::BinaryOperation(Box::new(BinaryOperation::AND(payload("tcp", "flags"), flags)));
    Statement::Match(Match { left, right: text("syn"), op })
}

/// The kind of destination, as this host's routing sees it.
pub(super) fn to_address(kind: &'static str) -> Statement<'static> {
    let fib = Fib { result: FibResult::Type, flags: HashSet::from([FibFlag::Daddr]) };
    equals(named(NamedExpression::Fib(fib)), text(kind))
}

pub(super) fn l4proto(protocol: &'static str) -> Statement<'static> {
    equals(meta(MetaKey::L4proto), text(protocol))
}

pub(super) fn equals(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    Statement::Match(Match { left, right, op: Operator::EQ })
}

pub(super) fn differs(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    Statement::Match(Match { left, right, op: Operator::NEQ })
}

pub(super) fn tproxy(port: u16) -> Statement<'static> {
    Statement::TProxy(TProxy { family: None, port, addr: None })
}

pub(super) fn set_mark() -> Statement<'static> {
    Statement::Mangle(Mangle { key: meta(MetaKey::Mark), value: Expression::Number(MARK) })
}

pub(super) fn accept() -> Statement<'static> {
    Statement::Accept(None)
}

pub(super) fn goto(target: &'static str) -> Statement<'static> {
    Statement::Goto(JumpTarget { target: target.into() })
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

pub(super) fn set(
    name: &'static str,
    kind: SetType,
    interval: bool,
    elements: Vec<Expression<'static>>,
) -> NfListObject<'static> {
    NfListObject::Set(Box::new(Set {
        family: FAMILY,
        table: TABLE_NAME.into(),
        name: name.into(),
        set_type: SetTypeValue::Single(kind),
        flags: interval.then(|| HashSet::from([SetFlag::Interval])),
        elem: (!elements.is_empty()).then_some(Cow::Owned(elements)),
        handle: None,
        policy: None,
        timeout: None,
        gc_interval: None,
        size: None,
        comment: None,
    }))
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
