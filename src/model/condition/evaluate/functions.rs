//! What functions answer.
//!
//! Sizes and searches are paid for by the bytes that they look at.

use std::borrow::Cow;

use super::super::functions::Does;
use super::super::node::Node;
use super::super::value::Value;
use super::{Fail, Outcome, Run};

impl<'a> Run<'a> {
    pub(super) fn call(&mut self, does: Does, of: &'a Node) -> Outcome<'a> {
        let value = self.value(of)?;
        if let Value::Text(text) = &value {
            self.spend(text.len())?;
        }
        Ok(match (does, value) {
            (Does::Size, Value::Text(text)) => Value::Int(count(text.chars().count())),
            (Does::Size, Value::List(list)) => Value::Int(count(list.len())),
            (Does::Size, Value::Map(map)) => {
                let (keys, looked_at) = map.keys();
                self.spend(looked_at)?;
                Value::Int(count(keys.len()))
            }
            (Does::LowerAscii, Value::Text(text)) if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Value::Text(Cow::Owned(text.to_ascii_lowercase()))
            }
            (Does::UpperAscii, Value::Text(text)) if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                Value::Text(Cow::Owned(text.to_ascii_uppercase()))
            }
            (Does::LowerAscii | Does::UpperAscii, Value::Text(text)) => Value::Text(text),
            (Does::ToInt, Value::Text(text)) => Value::Int(text.parse().map_err(|_| no_number())?),
            (Does::ToInt, Value::Double(number)) => Value::Int(truncated(number)?),
            (Does::ToDouble, Value::Text(text)) => Value::Double(text.parse().map_err(|_| no_number())?),
            #[allow(clippy::cast_precision_loss, reason = "what CEL's `double(int)` does")]
            (Does::ToDouble, Value::Int(number)) => Value::Double(number as f64),
            (Does::ToText, Value::Int(number)) => Value::Text(Cow::Owned(number.to_string())),
            (Does::ToText, Value::Double(number)) => Value::Text(Cow::Owned(number.to_string())),
            (Does::ToText, Value::Bool(truth)) => Value::text(if truth { "true" } else { "false" }),
            _ => return Err(Fail::mistyped()),
        })
    }

    pub(super) fn call_with(&mut self, does: Does, [of, text]: &'a [Node; 2]) -> Result<bool, Fail> {
        let (of, text) = (self.text(of)?, self.text(text)?);
        self.spend(if does == Does::Contains { of.len() } else { text.len() })?;
        match does {
            Does::Contains => Ok(of.contains(&*text)),
            Does::StartsWith => Ok(of.starts_with(&*text)),
            Does::EndsWith => Ok(of.ends_with(&*text)),
            _ => Err(Fail::mistyped()),
        }
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The text is not told: it may be a secret that an agent sent.
fn no_number() -> Fail {
    Fail::because("a text that should be a number is none")
}

/// A number without its fraction, where 64 bits hold it.
fn truncated(number: f64) -> Result<i64, Fail> {
    /// 2^63, the first number that does not fit.
    const END: f64 = 9_223_372_036_854_775_808.0;
    #[allow(clippy::cast_possible_truncation, reason = "the number is between the ends of i64")]
    if number > -END && number < END { Ok(number as i64) } else { Err(super::overflow()) }
}
