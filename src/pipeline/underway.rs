//! A request whose bodies have not passed yet: as it was asked, how fast it goes, and what it lives by.
//!
//! Other documents end none that is underway; it goes at the pace that they set, as if it were asked anew. Held by whoever
//! answers, for as long as that takes.

use std::cell::RefCell;

use http::{Request, request};

use crate::act::upstream::LiveTempo;
use crate::model::condition::Content;
use crate::model::types::{HostName, PolicyRef};

/// See the module.
#[derive(Debug)]
pub struct Underway {
    /// Its head, as it was judged.
    pub head: request::Parts,
    /// What was found that it carries.
    pub content: Content,
    /// How fast its bytes may move.
    pub tempo: LiveTempo,
    /// The approval that it lives by, and for which host.
    pub granted: RefCell<Option<(HostName, PolicyRef)>>,
}

/// What of a head is judged. Its extensions are for those who forward it.
pub fn copy(head: &request::Parts) -> request::Parts {
    let mut copy = Request::new(()).into_parts().0;
    copy.method = head.method.clone();
    copy.uri = head.uri.clone();
    copy.version = head.version;
    copy.headers = head.headers.clone();
    copy
}
