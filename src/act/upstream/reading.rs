//! What reads an exchange as a call of a model while its bodies pass; nothing for every other exchange, at no cost.
//!
//! Both bodies show it their bytes; whoever closes the record asks what they told. Read next: `body.rs`, then
//! `perceive/protocol/ai/call.rs`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use crate::model::prices::Prices;
use crate::model::types::ModelCall;
use crate::perceive::protocol::ai::{Call, Ending, Endpoint, Usage};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Reading(Option<Rc<RefCell<Call>>>, Arc<Prices>);

impl Reading {
    /// Of this call, if it is one, which costs what these prices say.
    pub fn of(call: Option<Call>, prices: &Arc<Prices>) -> Self {
        Self(call.map(|call| Rc::new(RefCell::new(call))), prices.clone())
    }

    /// A frame of the request has passed.
    pub(super) fn asked(&self, frame: &Frame<Bytes>) {
        if let (Some(call), Some(data)) = (&self.0, frame.data_ref()) {
            call.borrow_mut().ask(data);
        }
    }

    /// The head of the answer is there, and a body may follow.
    pub fn begin_answer(&self, status: u16, headers: &HeaderMap) {
        if let Some(call) = &self.0 {
            call.borrow_mut().begin_answer(status, headers);
        }
    }

    /// These bytes of the answer have come.
    pub(super) fn answered(&self, bytes: &[u8]) {
        if let Some(call) = &self.0 {
            call.borrow_mut().answer(bytes);
        }
    }

    /// What is to be paid for so far.
    pub(super) fn usage_so_far(&self) -> Option<Usage> {
        self.0.as_ref().and_then(|call| call.borrow().usage_so_far())
    }

    /// What is called.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.0.as_ref().map(|call| call.borrow().endpoint().clone())
    }

    /// Another model is asked in the place of the one that was.
    pub fn ask_another(&self, model: &str) {
        if let Some(call) = &self.0 {
            call.borrow_mut().ask_another(model);
        }
    }

    /// How its answer can be ended early, by the fields that it has; nothing where it cannot.
    pub fn ending(&self, headers: &HeaderMap) -> Option<Ending> {
        self.0.as_ref().and_then(|call| Ending::of(call.borrow().endpoint(), headers))
    }

    /// Whether a stream was asked for, as far as that was read before.
    pub fn streams(&self) -> bool {
        let asked =
            |call: &Rc<RefCell<Call>>| call.borrow().question().is_some_and(|question| question.stream);
        self.0.as_ref().is_some_and(asked)
    }

    /// The exchange is over; whether its answer came to its end.
    pub fn finish(&self, is_whole: bool) -> Option<Box<ModelCall>> {
        self.0.as_ref().and_then(|call| call.borrow_mut().finish(is_whole, &self.1)).map(Box::new)
    }
}
